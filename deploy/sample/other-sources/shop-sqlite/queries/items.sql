SELECT item, SUM(quantity) AS quantity, SUM(yen) AS yen
  FROM sales
 WHERE day >= :from
 GROUP BY item
 ORDER BY item

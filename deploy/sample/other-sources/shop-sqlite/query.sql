SELECT receipt, day, item, quantity, yen
  FROM sales
 WHERE day >= :from
 ORDER BY receipt

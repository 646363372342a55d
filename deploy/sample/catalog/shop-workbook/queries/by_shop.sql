SELECT (ARRAY['本店', '京都駅前店', 'オンラインショップ'])[1 + n * 31 % 3] AS shop,
       date_trunc('month', make_date(:year::int, 1, 1) + n * 7919 % 365)::date AS month,
       sum((1 + n * 13 % 6) * (ARRAY[4860, 2592, 6480, 1080, 8800])[1 + n * 17 % 5]) AS amount
  FROM generate_series(1, 600) AS n
 GROUP BY 1, 2
 ORDER BY shop, month

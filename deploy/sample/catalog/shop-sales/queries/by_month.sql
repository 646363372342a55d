-- Every month has a column, even the one without sales.
WITH goods (number, category, price) AS (
    VALUES (1, '和菓子', 4860), (2, '和菓子', 2592), (3, '日本茶', 6480), (4, '日本茶', 1080), (5, '器', 8800)
)
SELECT category, month::date,
       CASE WHEN extract(month FROM month) <> 4
            THEN (20 + (number * 37 + extract(month FROM month)::int * 53) % 90) * price END AS amount
  FROM goods, generate_series(make_date(:year::int, 1, 1), make_date(:year::int, 12, 1), '1 month') AS month
 ORDER BY category, month, number

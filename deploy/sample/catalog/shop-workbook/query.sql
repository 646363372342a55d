-- One sheet per query, all from one snapshot. The rows are generated: no table is read.
SELECT 'S-' || lpad(n::text, 5, '0') AS receipt,
       make_date(:year::int, 1, 1) + n * 7919 % 365 AS day,
       (ARRAY['本店', '京都駅前店', 'オンラインショップ'])[1 + n * 31 % 3] AS shop,
       (ARRAY['栗羊羹詰め合わせ', '上生菓子 六個入', '宇治玉露 百グラム缶', 'ほうじ茶ティーバッグ', '有田焼 蓋付湯呑'])[1 + n * 17 % 5] AS item,
       1 + n * 13 % 6 AS quantity,
       (1 + n * 13 % 6) * (ARRAY[4860, 2592, 6480, 1080, 8800])[1 + n * 17 % 5] AS amount
  FROM generate_series(1, 600) AS n
 ORDER BY receipt

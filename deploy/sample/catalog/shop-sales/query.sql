-- Generated sales of a shop: no table is read. The shop was closed for renovation in the fourth month.
WITH goods (number, category, item, price) AS (
    VALUES (1, '和菓子', '丹波大納言小豆と和三盆糖の特選栗羊羹詰め合わせ（化粧箱入り・十二本）', 4860),
           (2, '和菓子', '季節の上生菓子 六個入', 2592),
           (3, '日本茶', '八十八夜摘み宇治玉露「東雲」百グラム缶', 6480),
           (4, '日本茶', 'ほうじ茶ティーバッグ お徳用', 1080),
           (5, '器', '有田焼 染付蓋付湯呑 一客', 8800)
), sales AS (
    SELECT category, item, month::date,
           20 + (number * 37 + extract(month FROM month)::int * 53) % 90 AS quantity, price
      FROM goods, generate_series(make_date(:year::int, 1, 1), make_date(:year::int, 12, 1), '1 month') AS month
)
SELECT category, month, item, quantity, quantity * price AS amount, quantity * price / 10 AS tax
  FROM sales
 WHERE extract(month FROM month) <> 4
 ORDER BY category, month, item

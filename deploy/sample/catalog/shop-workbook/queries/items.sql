SELECT item, price, reorder_at
  FROM (VALUES ('栗羊羹詰め合わせ', 4860, 30), ('上生菓子 六個入', 2592, 40), ('宇治玉露 百グラム缶', 6480, 25),
               ('ほうじ茶ティーバッグ', 1080, 120), ('有田焼 蓋付湯呑', 8800, 10)) AS t (item, price, reorder_at)
 ORDER BY price DESC

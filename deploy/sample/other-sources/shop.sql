-- Generated sales of a shop, for SQLite and MariaDB: docs/how-to/file-sources.md.
CREATE TABLE sales (
    receipt INTEGER NOT NULL PRIMARY KEY, day DATE NOT NULL, item VARCHAR(100) NOT NULL, quantity INTEGER NOT NULL,
    yen INTEGER NOT NULL);
INSERT INTO sales
WITH RECURSIVE numbers AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < 500)
SELECT n,
       REPLACE(REPLACE('2025-M-D', 'M', SUBSTR('010203040506070809101112', n * 7 % 12 * 2 + 1, 2)),
               'D', SUBSTR('0107121823', n % 5 * 2 + 1, 2)),
       CASE n % 3 WHEN 0 THEN '栗羊羹' WHEN 1 THEN '宇治玉露' ELSE '有田焼 湯呑' END,
       1 + n * 13 % 6,
       (1 + n * 13 % 6) * CASE n % 3 WHEN 0 THEN 4860 WHEN 1 THEN 6480 ELSE 8800 END
  FROM numbers;

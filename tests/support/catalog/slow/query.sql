SELECT n, 'row ' || n AS label FROM generate_series(1, 100) AS n, (SELECT pg_sleep(:seconds)) AS wait ORDER BY n

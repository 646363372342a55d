SELECT 1 / (n - 1) AS boom FROM generate_series(1, 2) AS n

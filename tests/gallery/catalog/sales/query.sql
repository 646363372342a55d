SELECT (ARRAY['North', 'South', 'West'])[1 + n * 3 / greatest(:rows::int, 3)]      AS region,
       (ARRAY['Harbour Street', 'Old Market', 'Station', 'Airport'])[1 + n / greatest(:rows::int / 12, 1) % 4] AS shop,
       make_date(:year::int, 1 + n % 4, 1)                                    AS month,
       200 + n * 79 % 1800                                                AS orders,
       (20000 + n * 104729 % 90000 + n * 37 % 100 / 100.0)::numeric(12, 2) AS revenue,
       (0.6 + n * 61 % 60 / 100.0)::numeric(6, 3)                         AS goal_share,
       n * 13 % 40                                                        AS returned,
       n / 4 % 4 <> 1                                                     AS open_sundays,
       make_timestamptz(:year::int, 1 + n % 4, 28, 18, 0, 0, 'UTC')            AS counted_at
  FROM generate_series(0, :rows::int - 1) AS n
 ORDER BY n

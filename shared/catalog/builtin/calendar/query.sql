SELECT day::date                        AS day,
       trim(to_char(day, 'Day'))        AS weekday,
       extract(week FROM day)::int      AS iso_week,
       trim(to_char(day, 'Month'))      AS month,
       extract(quarter FROM day)::int   AS quarter
  FROM generate_series(:from::timestamp, :to::timestamp, interval '1 day') AS day
 ORDER BY day

-- A flight without a departure time was cancelled; it has no delay, and averages ignore it.
SELECT f.carrier,
       a.name                                                                                  AS airline,
       date_trunc('month', f.flight_date)::date                                                AS month,
       count(*)                                                                                AS flights,
       round(avg(f.dep_delay)::numeric, 1)                                                     AS mean_delay_min,
       round(percentile_cont(0.95) WITHIN GROUP (ORDER BY f.dep_delay)::numeric, 1)            AS p95_delay_min,
       sum(f.dep_delay)                                                                        AS delay_total_min,
       count(*) FILTER (WHERE f.dep_time IS NULL)                                              AS cancelled,
       (count(*) FILTER (WHERE f.dep_time IS NULL)::numeric / count(*))::numeric(7, 6)         AS cancelled_share
  FROM sample.flights f
  LEFT JOIN sample.airlines a ON a.carrier = f.carrier
 WHERE f.flight_date BETWEEN :from AND :to
   AND (:origin IS NULL OR f.origin = :origin)
 GROUP BY f.carrier, a.name, date_trunc('month', f.flight_date)
 ORDER BY f.carrier, month

SELECT f.origin,
       f.dest                                                                                   AS destination,
       p.name                                                                                   AS destination_name,
       count(*)                                                                                 AS flights,
       count(DISTINCT f.carrier)                                                                AS carriers,
       round(avg(f.distance)::numeric, 0)                                                       AS distance_mi,
       round(avg(f.air_time)::numeric, 1)                                                       AS air_time_min,
       -- of the flights that left at all
       (count(*) FILTER (WHERE f.dep_delay > 15)::numeric / nullif(count(f.dep_delay), 0))::numeric(7, 6) AS late_share,
       count(*) FILTER (WHERE f.dep_time IS NULL)                                               AS cancelled
  FROM sample.flights f
  LEFT JOIN sample.airports p ON p.faa = f.dest
 WHERE f.flight_date BETWEEN :from AND :to
 GROUP BY f.origin, f.dest, p.name
HAVING count(*) >= :min_flights
 ORDER BY f.origin, flights DESC, destination

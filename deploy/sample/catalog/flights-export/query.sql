-- Left joins for the airline and the destination: four destinations are missing from the list of airports, and no
-- flight may be dropped because of that.
SELECT f.flight_date,
       f.carrier,
       a.name              AS airline,
       f.flight,
       f.tailnum           AS tail_number,
       f.origin,
       f.dest              AS destination,
       p.name              AS destination_name,
       f.sched_dep_time    AS scheduled_departure,
       f.dep_time          AS departure,
       f.dep_delay         AS departure_delay_min,
       f.sched_arr_time    AS scheduled_arrival,
       f.arr_time          AS arrival,
       f.arr_delay         AS arrival_delay_min,
       f.air_time          AS air_time_min,
       f.distance          AS distance_mi,
       f.dep_time IS NULL  AS cancelled,
       f.time_hour         AS scheduled_hour_utc
  FROM sample.flights f
  LEFT JOIN sample.airlines a ON a.carrier = f.carrier
  LEFT JOIN sample.airports p ON p.faa = f.dest
 WHERE f.flight_date BETWEEN :from AND :to
   AND (:origin IS NULL OR f.origin = :origin)
   AND (:carriers IS NULL OR f.carrier = ANY (:carriers))
 ORDER BY f.flight_date, f.sched_dep_time, f.carrier, f.flight

"""The table that the report benchmark reads: 12 columns of the kinds that reports have."""

import psycopg

CREATE = """
    CREATE TABLE bench_orders AS
    SELECT n AS id, (n % 97)::int AS quantity, (n * 1.37)::numeric(12, 2) AS amount,
           ((n % 1000) / 7.0)::numeric(9, 4) AS ratio, sin(n) AS score, n % 2 = 0 AS paid,
           date '2026-01-01' + (n % 365)::int AS day,
           timestamptz '2026-01-01 00:00+00' + n * interval '37 seconds' AS placed_at,
           'customer ' || n % 5000 AS customer, 'REF-' || n::bigint * 7919 % 1000003 AS reference,
           CASE WHEN n % 10 = 0 THEN NULL ELSE 'a note, with "quotes" ' || n % 1000 END AS note,
           (ARRAY['東京', '大阪', 'New York'])[1 + n % 3] AS city
      FROM generate_series(1, {rows}) AS n
"""


def create(dsn: str, rows: int) -> None:
    """Make the table anew."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("DROP TABLE IF EXISTS bench_orders")
        conn.execute(CREATE.format(rows=rows))
        conn.execute("VACUUM ANALYZE bench_orders")


def query(rows: int) -> str:
    """The first `rows` rows, in order."""
    return f"SELECT * FROM bench_orders WHERE id <= {rows}"

"""How much of its rate limit a tenant has used, for all processes of all APIs: one row per recently active tenant.

The generic cell rate algorithm stores one number, the moment until which the tenant's requests have used up their
share. The table is unlogged: it costs no WAL, and after a crash every tenant starts afresh.
"""

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection


class Granted(NamedTuple):
    """The result of a lease."""

    tokens: int
    """Requests of weight 1 that this process may admit; 0 if fewer than `least` were left."""
    used_s: float
    """Seconds until the tenant has its whole burst again."""


# `debt` was used already and is counted whatever is left; a negative one gives back. Then as many as are left are
# granted, up to `most`, or none if that is fewer than `least`. A thousandth of a request covers rounding errors of
# fractions.
_LEASE = text("""
    /* rates.lease */
    INSERT INTO tenant_rates AS r (tenant, used_until, granted)
    SELECT :tenant, asked.now + make_interval(secs => (greatest(:debt, 0) + asked.granted) / :per_s), asked.granted
      FROM (SELECT clock_timestamp() AS now,
                   CASE WHEN :burst - greatest(:debt, 0) >= :least
                        THEN least(:most, floor(:burst - greatest(:debt, 0)))::int ELSE 0 END AS granted) AS asked
        ON CONFLICT (tenant) DO UPDATE
       SET (used_until, granted) = (
           SELECT base + make_interval(secs => given / :per_s), given
             FROM (SELECT base,
                          CASE WHEN free >= :least THEN least(:most, floor(free))::int ELSE 0 END AS given
                     FROM (SELECT base, :burst + 0.001 - extract(epoch FROM base - now)::float8 * :per_s AS free
                             FROM (SELECT now, greatest(r.used_until, now)
                                               + make_interval(secs => :debt / :per_s) AS base
                                     FROM (SELECT clock_timestamp() AS now) AS clock) AS used) AS left_over) AS decided)
    RETURNING granted, greatest(0, extract(epoch FROM used_until - clock_timestamp()))::float8
""")

_FORGET = text("""
    /* rates.forget */
    DELETE FROM tenant_rates WHERE tenant = ANY (ARRAY(
        SELECT tenant FROM tenant_rates WHERE used_until < clock_timestamp() - interval '1 d'
         LIMIT :slice FOR UPDATE SKIP LOCKED))
""")


def lease(conn: Connection, tenant: str, *, least: int, most: int, debt: float, per_s: float, burst: int) -> Granted:
    """Lease up to `most` requests of the tenant's remaining ones, or none if fewer than `least` remain.

    `debt` is the number of requests that were carried out already; negative for requests that were leased and not used.
    """
    # As floats: PostgreSQL would otherwise divide integers without fractions.
    fractions = {"debt": float(debt), "per_s": float(per_s), "burst": float(burst)}
    asked = {"tenant": tenant, "least": least, "most": most, **fractions}
    return Granted(*conn.execute(_LEASE, asked).one())


def forget(conn: Connection, *, slice_size: int = 1_000) -> int:
    """Remove some tenants that have sent no request for a day. Returns how many."""
    return conn.execute(_FORGET, {"slice": slice_size}).rowcount

"""How much of its rate limit a tenant has used, as revision 0001 creates it (shared/access/rates.py)."""

# Unlogged: it costs no WAL, and after a crash everyone starts afresh. Free room on each page keeps updates heap-only.
RATES = """
CREATE UNLOGGED TABLE tenant_rates (
    tenant     text        PRIMARY KEY,
    used_until timestamptz NOT NULL,
    granted    integer     NOT NULL
) WITH (fillfactor = 50)
"""

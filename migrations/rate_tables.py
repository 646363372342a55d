"""How much of its rate a tenant has used up, as revision 0001 makes it (shared/access/rates.py)."""

# Unlogged: it costs no WAL, and after a crash everybody begins anew. Room on each page keeps updates heap-only.
RATES = """
CREATE UNLOGGED TABLE tenant_rates (
    tenant     text        PRIMARY KEY,
    used_until timestamptz NOT NULL,
    granted    integer     NOT NULL
) WITH (fillfactor = 50)
"""

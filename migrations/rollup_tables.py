"""The outcomes of jobs, counted by minute and later by hour, as revision 0001 creates them."""

from collections.abc import Sequence

# One row is updated repeatedly during its minute; no index on the columns that change.
_TABLE = """
CREATE TABLE job_{unit}s (
    tenant      text             NOT NULL,
    report_type text             NOT NULL,
    outcome     text             NOT NULL CHECK (outcome IN ('SUCCESS', 'FAILED', 'CANCELLED')),
    {unit}      timestamptz      NOT NULL CHECK ({unit} = date_trunc('{unit}', {unit}, 'UTC')),
    jobs        bigint           NOT NULL CHECK (jobs > 0),
    seconds     double precision NOT NULL CHECK (seconds >= 0),
    buckets     bigint[]         NOT NULL CHECK (cardinality(buckets) = 16),
    PRIMARY KEY (tenant, report_type, outcome, {unit})
) WITH (fillfactor = 50)
"""

TABLES: Sequence[str] = [
    statement
    for unit in ("minute", "hour")
    for statement in (_TABLE.format(unit=unit), f"CREATE INDEX job_{unit}s_by_{unit} ON job_{unit}s ({unit})")
]

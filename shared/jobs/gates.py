"""What operators pause and cap: report types, tenants and sources. SQL fragments that other modules share.

A gate is identified by its kind and name. Both tables are small and usually empty, and a statement checks that first:
where nothing is paused or capped, a gate costs no look at a job. Workers record which source a report type reads
(`report_sources`), because only they and the API read the catalog.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text


class Kind(StrEnum):
    """What can be paused and capped."""

    TENANT = "tenant"
    REPORT_TYPE = "report_type"
    SOURCE = "source"


class Gate(NamedTuple):
    """One thing that can be paused and capped."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def gates_of(tenant: str, report_type: str, source: str | None) -> Sequence[Gate]:
    """Return all gates that a job runs under.

    `source` is what its report type reads; None if no worker has recorded it.
    """
    own = [Gate(Kind.TENANT, tenant), Gate(Kind.REPORT_TYPE, report_type)]
    return own if source is None else [*own, Gate(Kind.SOURCE, source)]


def holds(gate: str, job: str) -> str:
    """Return an SQL fragment: true if this row of `pauses` or `caps` applies to the job of that row."""
    return f"""({gate}.kind = 'tenant' AND {gate}.name = {job}.tenant
                OR {gate}.kind = 'report_type' AND {gate}.name = {job}.report_type
                OR {gate}.kind = 'source' AND {gate}.name = (
                   SELECT source FROM report_sources WHERE report_type = {job}.report_type))"""


def _gated(table: str, job: str) -> str:
    matching = f"SELECT FROM {table} AS gate WHERE {holds('gate', job)} OFFSET 0"
    return f"((SELECT true FROM {table} LIMIT 1) IS NOT NULL AND EXISTS ({matching}))"


def paused(job: str) -> str:
    """Return an SQL fragment: true if the job of this row (its `tenant` and `report_type`) is paused."""
    return _gated("pauses", job)


def capped(job: str) -> str:
    """Return an SQL fragment: true if the job of this row needs a slot."""
    return _gated("caps", job)


def concerns(job: str) -> str:
    """Return an SQL fragment: true if the job of this row runs under the gate `:kind`, `:name`."""
    return f"""CASE CAST(:kind AS text) WHEN 'tenant' THEN {job}.tenant = :name
                    WHEN 'report_type' THEN {job}.report_type = :name
                    ELSE {job}.report_type IN (SELECT report_type FROM report_sources WHERE source = :name) END"""


# Nothing is written for sources that are recorded already.
_TELL_SOURCES = text("""
    /* report_sources.tell */
    INSERT INTO report_sources AS known (report_type, source)
    SELECT told.key, told.value FROM jsonb_each_text(CAST(:sources AS jsonb)) AS told
     WHERE NOT EXISTS (SELECT FROM report_sources WHERE report_type = told.key AND source = told.value)
     ORDER BY told.key
        ON CONFLICT (report_type) DO UPDATE SET source = excluded.source
""")


def tell_sources(conn: Connection, sources: Mapping[str, str]) -> None:
    """Record which source each report type reads."""
    conn.execute(_TELL_SOURCES, {"sources": json_text.write(sources)})


_KNOWN = text("""
    /* report_sources.known */
    SELECT EXISTS (SELECT FROM report_sources
                    WHERE CASE CAST(:kind AS text) WHEN 'source' THEN source = :name ELSE report_type = :name END)
""")


def is_known(conn: Connection, gate: Gate) -> bool:
    """True if a worker has recorded such a source or report type. Any tenant may exist, so none is known."""
    asked = {"kind": gate.kind, "name": gate.name}
    return gate.kind is Kind.TENANT or bool(conn.execute(_KNOWN, asked).scalar_one())


_LOCK = text("/* gates.lock */ SELECT pg_advisory_xact_lock(hashtextextended(:gate, 4711))")


def lock(conn: Connection, gate: Gate) -> None:
    """Keep the gate unchanged by others who lock it until this transaction ends, so that what is read before a change
    stays true.

    A gate that is neither paused nor capped has no row that could be locked.
    """
    conn.execute(_LOCK, {"gate": str(gate)})

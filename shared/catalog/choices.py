"""Asks a report type's source which values a parameter may have, given the values of others."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from shared.catalog.asker import Asker
from shared.catalog.asking import asking
from shared.catalog.model import ReportType
from shared.catalog.parameter import Parameter
from shared.catalog.query import bound_text
from shared.catalog.shape import Shape

MOST = 1_000
"""The most choices returned at once: more than anyone reads in a list."""
_LONGEST = 1_000
"""Characters of a value or a title."""


class Choice(NamedTuple):
    """A value, and its title for people."""

    value: str
    title: str


class Choices(NamedTuple):
    """The choices, in the query's order."""

    found: Sequence[Choice]
    more: bool
    """True if there are more than these."""


def choices(
    dsn: str, report: ReportType, parameter: Parameter, values: Mapping[str, object], asker: Asker, shape: Shape
) -> Choices:
    """Return the choices of a parameter that has a query for them. `values` are stored values of other parameters.

    The query's first column is the value; a second one, if there is one, is its title. Raises psycopg.Error and NoRole.
    """
    with asking(dsn, report, asker, shape) as conn:
        query, columns = _query(conn, report, parameter, values, asker)
        shown = ["c1::text", f"coalesce({'c2' if columns > 1 else 'c1'}::text, '')"]
        names = ", ".join(f"c{n}" for n in range(1, columns + 1))
        statement = sql.SQL("SELECT {} FROM ({}\n) AS choices ({}) WHERE c1 IS NOT NULL LIMIT {}").format(
            sql.SQL(", ".join(shown)), query, sql.SQL(names), sql.Literal(MOST + 1)
        )
        rows = conn.execute(statement).fetchall()
    found = [Choice(value, title or value) for value, title in rows if len(value) <= _LONGEST]
    return Choices([Choice(c.value, c.title[:_LONGEST]) for c in found[:MOST]], len(rows) > MOST)


def not_among(
    dsn: str, report: ReportType, parameter: Parameter, values: Mapping[str, object], asker: Asker, shape: Shape
) -> Sequence[str]:
    """Return those of the parameter's own values that are not among its choices. Raises as `choices` does."""
    own = values.get(parameter.name)
    asked = [str(one) for one in (own if isinstance(own, list) else [own]) if one is not None]
    if not asked:
        return ()
    with asking(dsn, report, asker, shape) as conn:
        query, columns = _query(conn, report, parameter, values, asker)
        names = ", ".join(f"c{n}" for n in range(1, columns + 1))
        statement = sql.SQL(
            "SELECT asked FROM unnest(CAST({} AS text[])) AS asked "
            "WHERE asked NOT IN (SELECT c1::text FROM ({}\n) AS choices ({}) WHERE c1 IS NOT NULL)"
        ).format(sql.Literal(asked), query, sql.SQL(names))
        return [value for (value,) in conn.execute(statement).fetchall()]


def first_value(
    dsn: str, report: ReportType, query: str, values: Mapping[str, object], asker: Asker, shape: Shape,
    *, timeout_s: float,
) -> object:  # fmt: skip
    """Return the first value of the query's first row as a request would write it; None for NULL, or without a row.

    A number with a fraction is a text, which keeps its digits. Raises as `choices` does.
    """
    with asking(dsn, report, asker, shape, timeout_s=timeout_s) as conn:
        bound = bound_text(query, report, values, asker)
        described = conn.execute(sql.SQL("SELECT * FROM ({}\n) AS found LIMIT 0").format(bound)).description or ()
        names = sql.SQL(", ").join(sql.Identifier(f"c{n}") for n in range(1, len(described) + 1))
        asked = sql.SQL("SELECT to_json(c1)::text FROM ({}\n) AS found ({}) LIMIT 1").format(bound, names)
        row = conn.execute(asked).fetchone()
    return None if row is None or row[0] is None else json.loads(row[0], parse_float=str)


def _query(
    conn: psycopg.Connection[Any], report: ReportType, parameter: Parameter, values: Mapping[str, object], asker: Asker
) -> tuple[sql.Composed, int]:
    """Return the bound query, and the number of its columns."""
    if parameter.choice_query is None:
        raise LookupError(f"{parameter.name} has no query for its choices")
    query = bound_text(parameter.choice_query.query, report, values, asker)
    described = conn.execute(sql.SQL("SELECT * FROM ({}\n) AS choices LIMIT 0").format(query))
    return query, max(1, len(described.description or ()))

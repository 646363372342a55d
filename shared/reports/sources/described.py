"""What PostgreSQL reports about a query before it is read: its columns, and the position of a mistake."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import psycopg
from psycopg import sql
from psycopg.postgres import types as known_types
from psycopg.pq.abc import PGresult

from shared.reports.columns import SourceColumn
from shared.reports.sources.session import Session


def columns_of(described: PGresult, session: Session) -> Sequence[SourceColumn]:
    """Return the columns of a result. Raises psycopg.Error."""
    columns = [_column(described, at) for at in range(described.nfields)]
    nested = _nested({c.type_name for c in columns if c.type_name.isdecimal()}, session)
    return [replace(c, nested=True) if c.type_name in nested else c for c in columns]


def _nested(oids: Collection[str], session: Session) -> Collection[str]:
    """Return those of the types that are arrays or composites. None of them is built in."""
    if not oids:
        return ()
    asked = ", ".join(sorted(oids))  # digits, from the server itself
    [found] = session.ask(
        f"SELECT oid FROM pg_type WHERE oid IN ({asked}) AND (typtype = 'c' OR typcategory = 'A')".encode()
    )
    return {(found.get_value(row, 0) or b"").decode() for row in range(found.ntuples)}


def _column(described: PGresult, at: int) -> SourceColumn:
    """Return name and type of a column, in psycopg's terms for built-in types."""
    name, oid, modifier = (described.fname(at) or b"").decode(), described.ftype(at), described.fmod(at)
    known = known_types.get(oid)
    if known is None:
        return SourceColumn(name, str(oid))
    if oid == known.array_oid:  # for `numeric(10, 2)[]`, precision and scale are those of the items
        return SourceColumn(name, f"{known.name}[]", nested=True)
    shown = known.get_type_display(oid, modifier).partition("(")[0]
    if shown == "record":
        return SourceColumn(name, shown, nested=True)
    return SourceColumn(name, shown, known.get_precision(modifier), known.get_scale(modifier))


def without_order(
    places: Iterable[int], columns: Sequence[SourceColumn], query: bytes, session: Session
) -> Collection[int]:
    """Return those of a query's columns by whose type the server cannot sort: `json`, `xml`, `point`, arrays of them.

    Only the server knows this for every type, so it is asked, unless the type is one of the usual ones.
    """
    names = ", ".join(f"c{n}" for n in range(1, len(columns) + 1))
    found = set()
    for at in places:
        column = columns[at]
        if column.stored_as() != "VARCHAR" or column.is_plain_text or column.is_duration or column.is_number:
            continue
        sorted_by = f"\n) AS report ({names}) ORDER BY c{at + 1} LIMIT 0; RELEASE SAVEPOINT sorting".encode()
        try:
            session.ask(b"SAVEPOINT sorting; SELECT 1 FROM (" + query + sorted_by)
        except psycopg.errors.UndefinedFunction:
            session.ask(b"ROLLBACK TO SAVEPOINT sorting")
            found.add(at)
    return found


def text_of(result: PGresult, column: int) -> str:
    """Return the text of a value in a result's first row."""
    return (result.get_value(0, column) or b"").decode()


def line_of(query: sql.Composed, position: int, conn: psycopg.Connection) -> int | None:
    """Return the line of query.sql with the `position`-th character of the query as it was sent; None if outside."""
    line, sent = 1, 0
    for part in query:
        text = part.as_string(conn)
        verbatim = isinstance(part, sql.SQL)  # the rest are values, whose line breaks are not the file's
        if position <= sent + len(text):
            return line + (text[: max(0, position - sent - 1)].count("\n") if verbatim else 0)
        sent += len(text)
        line += text.count("\n") if verbatim else 0
    return None

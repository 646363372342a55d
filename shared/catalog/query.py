"""Turns query.sql into a statement that PostgreSQL runs: `:name` placeholders become quoted, typed literals.

COPY and cursors take no bound parameters. So psycopg writes the literals (libpq does the quoting, with the connection's
own settings), never this code, and a value cannot escape from its literal.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import LiteralString

from psycopg import sql

from shared.catalog.asker import Asker
from shared.catalog.model import ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import validate_parameters
from shared.catalog.sql import Kind, Token, UnreadableSql, scan
from shared.catalog.values import parse

_TYPES: Mapping[ParameterKind, LiteralString] = {
    ParameterKind.STRING: "text",
    ParameterKind.CHOICE: "text",
    ParameterKind.INTEGER: "bigint",
    ParameterKind.DECIMAL: "numeric",
    ParameterKind.BOOLEAN: "boolean",
    ParameterKind.DATE: "date",
    ParameterKind.DATETIME: "timestamptz",
}


BUILT_IN: Mapping[str, Callable[[Asker], str | None]] = {
    "tenant": lambda asker: asker.tenant,
    "requester": lambda asker: asker.requester,
}
"""Placeholders that every query may use → what they stand for. No request or catalog can change these values."""


def bound_query(report: ReportType, parameters: Mapping[str, object], asker: Asker) -> sql.Composed:
    """Return the query with each `:name` replaced by `CAST(literal AS type)`, for use in `COPY (…\\n) TO STDOUT`.

    The cast gives NULL and empty lists a type too. The caller must put a line break behind the query, because it may
    end in a comment. A closing semicolon is dropped; everything else stays as its author wrote it, `%` included.

    The values are validated again: the catalog may have changed since the job was accepted, and a report must not
    run without a filter that its client asked for. Raises InvalidParameters.
    """
    return bound_text(report.query, report, validate_parameters(report, parameters), asker)


def bound_text(query: str, report: ReportType, values: Mapping[str, object], asker: Asker) -> sql.Composed:
    """Return any query of the report type, bound as described in `bound_query`. `values` must be validated already."""
    parts: list[sql.Composable] = []
    between = ""
    for token in scan(query):
        if token.kind is Kind.PLACEHOLDER:
            parts.append(sql.SQL(between))
            between, name = "", token.text[1:]
            if name in BUILT_IN:
                parts.append(sql.SQL("CAST({} AS text)").format(sql.Literal(BUILT_IN[name](asker))))
                continue
            parameter = report.parameter(name)
            if parameter is None:
                raise LookupError(f"{report.name}: {token.text} is not declared")  # the loader refuses such a query
            parts.append(_literal(parameter, values.get(parameter.name)))
        elif token.text != ";":  # the loader allows only a closing one
            between += token.text
    return sql.Composed([*parts, sql.SQL(between)])


def sql_type(parameter: Parameter) -> LiteralString:
    """Return the PostgreSQL type that the parameter is cast to, for example `date` or `text[]`."""
    if parameter.kind is ParameterKind.LIST:
        return _TYPES[parameter.item_kind] + "[]"
    return _TYPES[parameter.kind]


def python_value(parameter: Parameter, stored: object) -> object:
    """Convert a stored JSON value to a Python value for psycopg: date, datetime in UTC, Decimal, list, … Raises
    Refused.
    """
    if stored is None:
        return None
    if parameter.kind is ParameterKind.LIST and isinstance(stored, list):
        return [parse(parameter.item_kind, item) for item in stored]
    return parse(parameter.kind, stored)


def query_problems(query: str) -> Iterator[tuple[int, str]]:
    """Yield line and message of everything that keeps `query` from being one SELECT that can stand in parentheses."""
    try:
        code = [token for token in scan(query) if token.kind is not Kind.SPACE]
    except UnreadableSql as error:
        yield error.line, str(error)
        return
    if not code:
        yield 1, "is empty: write one SELECT"
        return
    if code[0].text.lower() not in {"select", "with"}:
        yield code[0].line, f"begins with {code[0].text[:20]!r}: begin with SELECT or WITH"
    if "\0" in query:
        yield query[: query.index("\0")].count("\n") + 1, "contains the character U+0000: remove it"
    yield from _statement_problems(code)
    yield from _parenthesis_problems(code)


def placeholders(query: str) -> list[Token]:
    """Return every `:name` in the query's order. Raises UnreadableSql."""
    return [token for token in scan(query) if token.kind is Kind.PLACEHOLDER]


def _literal(parameter: Parameter, stored: object) -> sql.Composable:
    # CAST and not `::`, which would bind tighter than the minus of a negative literal.
    value = sql.Literal(python_value(parameter, stored))
    return sql.SQL("CAST({} AS {})").format(value, sql.SQL(sql_type(parameter)))


def _statement_problems(code: list[Token]) -> Iterator[tuple[int, str]]:
    ends = [index for index, token in enumerate(code) if token.text == ";"]
    if ends and ends[0] != len(code) - 1:
        yield code[ends[0] + 1].line, "has more than one statement: keep one SELECT, and no ; before its end"
    for token, following in pairwise(code):
        if token.text == "$" and re.match("[0-9]", following.text):
            yield token.line, f"${following.text} is not a placeholder here: write :name"


def _parenthesis_problems(code: list[Token]) -> Iterator[tuple[int, str]]:
    """Yield unbalanced parentheses: a query that closes one it did not open would end the `COPY (` around it."""
    opened: list[int] = []
    for token in code:
        if token.text == "(":
            opened.append(token.line)
        elif token.text == ")" and not opened:
            yield token.line, ") has no ( before it: remove it"
            return
        elif token.text == ")":
            opened.pop()
    if opened:
        yield opened[-1], "( is never closed: add )"

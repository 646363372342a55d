"""A report's query: where its placeholders are, and how values reach them. Values are never pasted."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString

from psycopg import sql

from shared.catalog.model import Parameter, ParameterKind, ReportType

# What may contain a colon or a semicolon without meaning one: strings, quoted names, dollar quotes, comments,
# and `::` casts (PostgreSQL 18, "Lexical Structure").
_TOKEN = re.compile(
    r"""
      \b[eE]'(?:\\.|''|[^'\\])*'
    | '(?:''|[^'])*'
    | "(?:""|[^"])*"
    | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$
    | --[^\n]*
    | /\*.*?\*/
    | ::
    | :(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<semicolon>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)

_SQL_TYPES = {
    ParameterKind.STRING: "text",
    ParameterKind.CHOICE: "text",
    ParameterKind.INTEGER: "bigint",
    ParameterKind.DECIMAL: "numeric",
    ParameterKind.BOOLEAN: "boolean",
    ParameterKind.DATE: "date",
    ParameterKind.DATETIME: "timestamptz",
}


def placeholders(query: str) -> list[str]:
    """The names after a colon, in order, each as often as it stands there."""
    return [m["name"] for m in _TOKEN.finditer(query) if m["name"]]


def statement_problem(query: str) -> str | None:
    """Why the text is not one SELECT, or None if it is."""
    body = query[_COMMENTS.match(query).end() :]  # type: ignore[union-attr] # it matches the empty string
    if not body.strip():
        return "is empty: write one SELECT"
    if not re.match(r"(?:select|with)\b", body, re.IGNORECASE):
        return "must begin with SELECT or WITH"
    for match in _TOKEN.finditer(body):
        if match["semicolon"] and body[match.end() + len(_COMMENTS.match(body[match.end() :]).group()) :].strip():  # type: ignore[union-attr]
            return "holds more than one statement: keep the first, a report reads only"
    return None


def bound_query(report: ReportType, parameters: Mapping[str, object]) -> sql.Composed:
    """The query with every placeholder replaced by a quoted, typed literal, ready to stand inside `COPY (…) TO STDOUT`.

    COPY takes no bound parameters, so psycopg's own quoting writes the literals; a value cannot leave them.
    """
    parts: list[sql.Composable] = []
    end = 0
    for match in _TOKEN.finditer(report.query):
        if not match["name"] and not match["semicolon"]:
            continue
        parts.append(sql.SQL(_trusted(report.query[end : match.start()])))
        if match["name"]:
            parts.append(_literal(report, match["name"], parameters))
        end = match.end()
    parts.append(sql.SQL(_trusted(report.query[end:])))
    return sql.Composed(parts)


def _trusted(part: Any) -> LiteralString:
    """Text of the catalog's author, not of a client: psycopg's type for it is a literal."""
    text: LiteralString = part
    return text


def _literal(report: ReportType, name: str, parameters: Mapping[str, object]) -> sql.Composable:
    parameter = report.parameter(name)
    if parameter is None:
        raise LookupError(f"{report.name}: :{name} is not a declared parameter")  # the loader has checked
    value = python_value(parameter, parameters.get(name))
    return sql.SQL("CAST({} AS {})").format(sql.Literal(value), sql.SQL(_sql_type(parameter)))


def _sql_type(parameter: Parameter) -> LiteralString:
    if parameter.kind is ParameterKind.LIST:
        return _trusted(_SQL_TYPES[parameter.item_kind] + "[]")
    return _trusted(_SQL_TYPES[parameter.kind])


def python_value(parameter: Parameter, value: object) -> object:
    """A stored JSON value as the Python value that psycopg quotes by type."""
    if value is None:
        return None
    if parameter.kind is ParameterKind.LIST:
        items: list[object] = value  # type: ignore[assignment] # the validator stored a list
        return [_scalar(parameter.item_kind, item) for item in items]
    return _scalar(parameter.kind, value)


def _scalar(kind: ParameterKind, value: object) -> object:
    match kind:
        case ParameterKind.DECIMAL:
            return Decimal(str(value))
        case ParameterKind.DATE:
            return date.fromisoformat(str(value))
        case ParameterKind.DATETIME:
            return datetime.fromisoformat(str(value))
        case _:
            return value

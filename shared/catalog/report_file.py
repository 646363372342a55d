"""Turns one folder of the catalog into a ReportType, or gives every reason why it cannot.

docs/reference/catalog.md describes the format.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from shared.catalog.audience import AUDIENCE_KEYS, check_documents, read_audience
from shared.catalog.locales import LOCALE_PARAMETER, language, locales
from shared.catalog.model import Format, Limits, Parameter, ParameterKind, ReportType
from shared.catalog.names import name_problem
from shared.catalog.parameters import check_value
from shared.catalog.pattern import UnusablePattern, check_pattern
from shared.catalog.presentation import column, csv_options, pdf_options
from shared.catalog.query import BUILT_IN, placeholders, query_problems
from shared.catalog.sql import UnreadableSql
from shared.catalog.toml import Table, TomlFile
from shared.catalog.typst_packages import package_problems
from shared.catalog.values import Refused, parse, store
from shared.suggest import did_you_mean

_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")

_KEYS = ("title", "description", "version", "formats", "source", "parameters", "columns", "limits",
         "csv", "pdf", "language", "locales", *AUDIENCE_KEYS)  # fmt: skip
_LIMIT_KEYS = ("timeout_s", "memory_mb", "max_rows", "max_mb", "scratch_mb", "max_attempts")
_PARAMETER_KEYS = ("type", "title", "description", "required", "default")
_CONSTRAINTS: Mapping[ParameterKind, tuple[str, ...]] = {
    ParameterKind.STRING: ("min", "max", "pattern"),
    ParameterKind.INTEGER: ("min", "max"),
    ParameterKind.DECIMAL: ("min", "max"),
    ParameterKind.BOOLEAN: (),
    ParameterKind.DATE: ("min", "max"),
    ParameterKind.DATETIME: ("min", "max"),
    ParameterKind.CHOICE: ("choices",),
    ParameterKind.LIST: ("items", "min", "max", "pattern", "choices"),
}
_ALL_CONSTRAINTS = _CONSTRAINTS[ParameterKind.LIST]
_COUNTED = (ParameterKind.STRING, ParameterKind.LIST)
"""Kinds whose min and max count characters or items."""

_MOST_COUNTED = 100_000
"""The most characters or items that a parameter may allow: a request's body is 256 KiB at most."""


def read_report_type(folder: Path, problems: list[str]) -> ReportType | None:
    """Return the report type in `folder`, or None after adding `file:line: what is wrong: remedy` to `problems`."""
    before = len(problems)
    if wrong := name_problem(folder.name):
        problems.append(f"{folder}: {folder.name!r} {wrong}: rename the folder")
    text = read_text(folder / "report.toml", problems, "every report type has one; see docs/reference/catalog.md")
    query = read_text(folder / "query.sql", problems, "every report type has its one SELECT there")
    if query is not None:
        problems += (f"{folder / 'query.sql'}:{line}: {message}" for line, message in query_problems(query))
    file = TomlFile(folder / "report.toml", text or "", problems)
    values = None if text is None else parse_toml(file)
    if values is None:
        return None
    report = _report_type(folder, Table(file, values), query or "")
    check_documents(Table(file, values), report)
    if query is not None:
        _check_placeholders(file, report)
    problems += package_problems(folder)
    return report if len(problems) == before else None


def read_text(path: Path, problems: list[str], remedy: str) -> str | None:
    """Return the file's text without a byte order mark, or None after adding a problem."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        problems.append(f"{path}:1: is missing: {remedy}")
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        problems.append(f"{path}:{line}: is not UTF-8: save it as UTF-8")
    except OSError as error:
        problems.append(f"{path}:1: cannot be read: {error.strerror}")
    return None


def parse_toml(file: TomlFile) -> Mapping[str, object] | None:
    """Return the file's values, or None after noting where it is not TOML. Decimal numbers stay exact."""
    try:
        return tomllib.loads(file.text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        # "Invalid value (at line 3, column 9)", or "(at end of document)".
        at = re.search(r" \(at line (\d+), column \d+\)$", str(error))
        line = int(at[1]) if at else file.text.count("\n") + 1
        message = str(error)[: at.start()] if at else str(error)
        file.problems.append(f"{file.path}:{line}: is not TOML: {message}: see https://toml.io/en/v1.0.0")
        return None


def _report_type(folder: Path, table: Table, query: str) -> ReportType:
    table.only(_KEYS)
    title = table.text("title")
    if table.json("title") in (None, ""):
        table.wrong("title", 'is missing: write title = "…", what people call this report')
    source = table.text("source", "default")
    if not _SOURCE_NAME.fullmatch(source):
        table.wrong(
            "source",
            f'{source!r} cannot name a data source: write source = "default", or leave it out',
        )
    formats = _formats(table)
    documents = not {Format.HTML, Format.PDF}.isdisjoint(formats)
    parameters = [_parameter(name, one) for name, one in table.table("parameters").tables()]
    return ReportType(
        name=folder.name,
        title=title,
        description=table.text("description"),
        version=table.text("version") or _fingerprint(folder),
        source=source,
        query=query,
        formats=formats,
        parameters=tuple(parameters),
        columns={name: column(name, one, documents=documents) for name, one in table.table("columns").tables()},
        limits=_limits(table.table("limits")),
        csv=csv_options(table.table("csv")),
        pdf=pdf_options(table.table("pdf"), folder),
        language=language(table),
        locales=locales(table.table("locales")),
        folder=folder,
        **read_audience(table)._asdict(),
    )


def _formats(table: Table) -> tuple[Format, ...]:
    known = [str(one) for one in Format]
    names = table.strings("formats") or ()
    for name in names:
        if name not in known:
            table.wrong("formats", f"{name!r} is not a format{did_you_mean(name, known)}")
    return tuple(Format(name) for name in names if name in known) or tuple(Format)


def _parameter(name: str, table: Table) -> Parameter:
    if name in BUILT_IN:
        table.wrong("", f"is Todoke's own: use :{name} in query.sql without declaring it, or choose another name")
    if not _PARAMETER_NAME.fullmatch(name):
        table.wrong("", "rename it to lower-case letters, digits and underscores, a letter first, 63 at most")
    kind = _kind(table, "type", [str(one) for one in ParameterKind])
    if kind is None:
        return Parameter(name, ParameterKind.STRING, name)
    items = None
    if kind is ParameterKind.LIST:
        scalars = [str(one) for one in ParameterKind if one is not ParameterKind.LIST]
        items = _kind(table, "items", scalars) or ParameterKind.STRING
    _check_keys(table, kind, items)
    parameter = Parameter(
        name=name,
        kind=kind,
        title=table.text("title") or name.replace("_", " ").capitalize(),
        description=table.text("description"),
        required=table.flag("required"),
        minimum=_bound(table, "min", kind),
        maximum=_bound(table, "max", kind),
        pattern=_pattern(table),
        choices=_choices(table, kind, items),
        items=items,
    )
    _check_order(table, parameter)
    return _with_default(table, parameter)


def _kind(table: Table, key: str, known: list[str]) -> ParameterKind | None:
    name = table.text(key)
    if name in known:
        return ParameterKind(name)
    said = f"{name!r} is not a type" if name else "is missing"
    table.wrong(key, f"{said}{did_you_mean(name, known)}")
    return None


def _check_keys(table: Table, kind: ParameterKind, items: ParameterKind | None) -> None:
    table.only([*_PARAMETER_KEYS, *_ALL_CONSTRAINTS])
    allowed = list(_CONSTRAINTS[kind])
    if items is not None:
        allowed = [key for key in allowed if key in {"items", "min", "max"} or key in _CONSTRAINTS[items]]
    what = f"list of {items}" if items else str(kind)
    for key in _ALL_CONSTRAINTS:
        if key in table and key not in allowed:
            table.wrong(key, f"means nothing for a {what}: remove it")


def _bound(table: Table, key: str, kind: ParameterKind) -> object:
    if kind in _COUNTED:
        return table.whole(key, 0, _MOST_COUNTED)
    if key not in table or key not in _CONSTRAINTS[kind]:
        return None
    try:
        return store(kind, parse(kind, table.json(key)))
    except Refused as refused:
        table.wrong(key, str(refused))
        return None


def _check_order(table: Table, parameter: Parameter) -> None:
    low, high = parameter.minimum, parameter.maximum
    if low is None or high is None:
        return
    if parameter.kind not in _COUNTED:
        low, high = parse(parameter.kind, low), parse(parameter.kind, high)
    if low > high:  # type: ignore[operator] # both came from the parser of one kind
        table.wrong("min", "is above max: swap them")


def _pattern(table: Table) -> str | None:
    pattern = table.text("pattern")
    if not pattern:
        return None
    try:
        check_pattern(pattern)
    except UnusablePattern as unusable:
        table.wrong("pattern", str(unusable))
        return None
    return pattern


def _choices(table: Table, kind: ParameterKind, items: ParameterKind | None) -> tuple[str, ...]:
    choices = table.strings("choices")
    if choices is None and "choices" not in table and ParameterKind.CHOICE in {kind, items}:
        table.wrong("", 'has no choices: write choices = ["…", "…"]')
    for choice in choices or ():
        try:
            parse(ParameterKind.CHOICE, choice)
        except Refused as refused:
            table.wrong("choices", f"{choice!r} {refused}")
    return choices or ()


def _with_default(table: Table, parameter: Parameter) -> Parameter:
    if "default" not in table:
        return parameter
    if parameter.required:
        table.wrong("default", "is never used, because the parameter is required: remove one of the two")
        return parameter
    default, violations = check_value(parameter, table.json("default"), "default")
    for violation in violations:
        index = violation.field.removeprefix("default")
        table.wrong("default", f"{index} {violation.message}".strip())
    return parameter if violations else replace(parameter, default=default)


def _limits(table: Table) -> Limits:
    table.only(_LIMIT_KEYS)
    usual = Limits()
    return Limits(
        timeout_s=table.number("timeout_s", 1, 86_400) or usual.timeout_s,
        memory_mb=table.whole("memory_mb", 64, 65_536) or usual.memory_mb,
        max_rows=table.whole("max_rows", 1, 1_000_000_000) or usual.max_rows,
        max_mb=table.whole("max_mb", 1, 1_000_000) or usual.max_mb,
        scratch_mb=table.whole("scratch_mb", 1, 1_000_000) or usual.scratch_mb,
        max_attempts=table.whole("max_attempts", 1, 20) or usual.max_attempts,
    )


def _check_placeholders(file: TomlFile, report: ReportType) -> None:
    try:
        used = placeholders(report.query)
    except UnreadableSql:
        return  # noted already, and half a query says nothing about its placeholders
    declared = [p.name for p in report.parameters]
    for token in used:
        name = token.text[1:]
        if name not in declared and name not in BUILT_IN:
            where = f"{file.path.with_name('query.sql')}:{token.line}"
            remedy = f"add [parameters.{name}] to report.toml, or write [a : b] if it is an array slice"
            file.problems.append(f"{where}: {token.text} is not declared: {remedy}{did_you_mean(name, declared)}")
    for name in declared:
        if name not in {LOCALE_PARAMETER, *(token.text[1:] for token in used)}:
            file.wrong(("parameters", name), f"is not used: write :{name} in query.sql, or remove it")


def _fingerprint(folder: Path) -> str:
    """Return 12 hex digits of a hash over every file's name and content, so that any change is another version."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            content = path.read_bytes()
            digest.update(f"{name.as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]

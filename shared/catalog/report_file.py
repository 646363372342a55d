"""Turns one folder of the catalog into a ReportType, or gives every reason why it cannot.

docs/reference/catalog.md describes the format.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

from shared.catalog.audience import AUDIENCE_KEYS, check_documents, read_audience
from shared.catalog.further import every_query, further_queries, read_pivot
from shared.catalog.grouping import read_grouping
from shared.catalog.locales import LOCALE_PARAMETER, language, locales
from shared.catalog.model import Format, Limits, ReportType
from shared.catalog.names import name_problem
from shared.catalog.parameter import Parameter
from shared.catalog.parameter_file import parameter
from shared.catalog.presentation import column, csv_options, pdf_options
from shared.catalog.query import BUILT_IN, placeholders, query_problems
from shared.catalog.sql import UnreadableSql
from shared.catalog.theme import USUAL, Theme
from shared.catalog.toml import Table, TomlFile
from shared.catalog.type_options import type_options
from shared.catalog.typst_packages import package_problems
from shared.suggest import did_you_mean

_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")

_KEYS = ("title", "description", "version", "formats", "source", "parameters", "columns", "limits", "options",
         "csv", "pdf", "groups", "totals", "language", "locales", "queries", "pivot", *AUDIENCE_KEYS)  # fmt: skip
DOCUMENTS = frozenset({Format.HTML, Format.PDF})
"""Formats in which Todoke itself applies number formats."""
_LIMIT_KEYS = ("timeout_s", "memory_mb", "max_rows", "max_mb", "scratch_mb", "max_attempts")


def read_report_type(folder: Path, problems: list[str], theme: Theme = USUAL) -> ReportType | None:
    """Return the report type in `folder`, whose documents have this theme; None after adding its mistakes to
    `problems`, as `file:line: what is wrong: remedy`.
    """
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
    report = _report_type(folder, Table(file, values), query or "", theme)
    queries = further_queries(
        folder, Table(file, values).table("queries"), problems, read_text=read_text,
        read_column=partial(column, documents=not DOCUMENTS.isdisjoint(report.formats)),
    )  # fmt: skip
    report = replace(report, queries=queries)
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
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets within brackets
        file.problems.append(f"{file.path}:1: cannot be read as TOML: {error}: write it in a shorter way")
    return None


def _report_type(folder: Path, table: Table, query: str, theme: Theme) -> ReportType:
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
    documents = not DOCUMENTS.isdisjoint(formats)
    parameters = [parameter(name, one) for name, one in table.table("parameters").tables()]
    limits = _limits(table.table("limits"))
    own, texts = language(table), locales(table.table("locales"))
    columns = {name: column(name, one, documents=documents) for name, one in table.table("columns").tables()}
    return ReportType(
        name=folder.name,
        title=title,
        description=table.text("description"),
        version=table.text("version") or _fingerprint(folder, theme),
        source=source,
        query=query,
        formats=formats,
        parameters=tuple(parameters),
        pivot=read_pivot(table.table("pivot")) if "pivot" in table else None,
        columns=columns,
        limits=limits,
        options=type_options(table.table("options"), columns.values(), [own, *texts], limits.max_rows),
        csv=csv_options(table.table("csv")),
        pdf=pdf_options(table.table("pdf"), folder),
        grouping=read_grouping(table.table("groups"), table.table("totals"), columns),
        language=own,
        locales=texts,
        folder=folder,
        theme=theme,
        **read_audience(table)._asdict(),
    )


def _formats(table: Table) -> tuple[Format, ...]:
    known = [str(one) for one in Format]
    names = table.strings("formats") or ()
    for name in names:
        if name not in known:
            table.wrong("formats", f"{name!r} is not a format{did_you_mean(name, known)}")
    return tuple(Format(name) for name in names if name in known) or tuple(Format)


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
    """Report placeholders that no parameter declares, and parameters that no query uses."""
    declared = [p.name for p in report.parameters]
    used: set[str] = set()
    for query_file, text in every_query(report):
        try:
            found = placeholders(text)
        except UnreadableSql:
            return  # reported already, and placeholders in half a query prove nothing
        used |= {token.text[1:] for token in found}
        for token in found:
            name = token.text[1:]
            if name not in declared and name not in BUILT_IN:
                where = f"{file.path.parent / query_file}:{token.line}"
                remedy = f"add [parameters.{name}] to report.toml, or write [a : b] if it is an array slice"
                file.problems.append(f"{where}: {token.text} is not declared: {remedy}{did_you_mean(name, declared)}")
    for one in report.parameters:
        if one.choice_query is not None:
            _check_own_placeholders(file, one, "choices", one.choice_query.query, declared)
        if one.default_query:
            _check_own_placeholders(file, one, "default", one.default_query, declared)
    for name in declared:
        if name not in {LOCALE_PARAMETER, *used}:
            file.wrong(("parameters", name), f"is not used: write :{name} in query.sql, or remove it")


def _check_own_placeholders(
    file: TomlFile, parameter: Parameter, setting: str, query: str, declared: list[str]
) -> None:
    """Check the query of a parameter's choices or default."""
    at = ("parameters", parameter.name, setting, "query")
    try:
        used = placeholders(query)
    except UnreadableSql:
        return  # reported already
    for name in dict.fromkeys(token.text[1:] for token in used):
        if name == parameter.name:
            file.wrong(at, f"uses :{name}, whose {setting} it gives: leave it out")
        elif name not in declared and name not in BUILT_IN:
            file.wrong(at, f":{name} is not declared: add [parameters.{name}]{did_you_mean(name, declared)}")


def _fingerprint(folder: Path, theme: Theme) -> str:
    """Return 12 hex digits of a hash over every file's name and content, so that any change is another version."""
    digest = hashlib.sha256(theme.digest.encode())
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            content = path.read_bytes()
            digest.update(f"{name.as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]

"""Reads a folder of report types, and reports every mistake in it at once."""

import os
from dataclasses import replace
from pathlib import Path

from shared.catalog.links import leading_out
from shared.catalog.model import Catalog, ReportType
from shared.catalog.python_report import python_report_types
from shared.catalog.report_file import parse_toml, read_report_type, read_text
from shared.catalog.theme import NAME as THEME
from shared.catalog.theme import USUAL, Theme, read_theme
from shared.catalog.toml import Table, TomlFile
from shared.errors import TodokeError
from shared.suggest import did_you_mean

BUILTIN = Path(__file__).parent / "builtin"
"""The catalog of an installation without CATALOG_PATH; its report types need no data."""


class CatalogError(TodokeError):
    """The catalog cannot be used. The message has one line per problem: `file:line: what is wrong: remedy`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_catalog(path: Path, *, default: str | None = None) -> Catalog:
    """Return every report type below `path`, one per subfolder; those that begin with `.` or `_` are skipped.

    A request that names no report type runs the first of these that exists: `default`, the `default = "…"` of
    `catalog.toml` beside the subfolders, the alphabetically first. Raises CatalogError with every problem.
    """
    if not path.is_dir():
        raise CatalogError(
            [f"{path}: is not a folder: CATALOG_PATH must name a folder with one subfolder per report type"]
        )
    if led_out := [
        f"{link}: leads out of {path}: copy what it leads to into the catalog" for link in leading_out(path)
    ]:
        raise CatalogError(led_out)
    problems: list[str] = []
    folders = sorted(one for one in path.iterdir() if one.is_dir() and not one.name.startswith((".", "_")))
    if not folders:
        problems.append(f"{path}: contains no report type: add a subfolder with report.toml and query.sql")
    types: dict[str, ReportType] = {}
    theme = _theme(path, problems)
    for folder in folders:
        report = read_report_type(folder, problems, theme)
        if report is not None:
            types[report.name] = report
    for report in python_report_types(types, problems):
        types[report.name] = replace(report, theme=theme)
    names = sorted({*(folder.name for folder in folders), *types})
    named = _named_default(path / "catalog.toml", names, problems)
    if default is not None and default not in names:
        problems.append(f"{path}: the default {default!r} is not a report type{did_you_mean(default, names)}")
    if problems:
        raise CatalogError(problems)
    return Catalog(types=types, default=default or named or names[0])


def _theme(path: Path, problems: list[str]) -> Theme:
    table = _table(path / THEME, problems)
    return USUAL if table is None else read_theme(table, path, table.file_text)


def _table(file: Path, problems: list[str]) -> Table | None:
    """Return the file's table; None if there is no such file, or if it has mistakes, which are noted."""
    if not os.path.lexists(file):
        return None
    text = read_text(file, problems, "restore it")
    toml = TomlFile(file, text or "", problems)
    values = None if text is None else parse_toml(toml)
    return None if values is None else Table(toml, values)


def _named_default(file: Path, names: list[str], problems: list[str]) -> str | None:
    table = _table(file, problems)
    if table is None:
        return None
    table.only(["default"])
    default = table.text("default") or None
    if default is not None and default not in names:
        table.wrong("default", f"{default!r} is not a report type{did_you_mean(default, names)}")
    return default

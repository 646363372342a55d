"""Read a folder of report types, and say everything that is wrong with it at once."""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.catalog.model import Catalog, Column, Format, Limits, Parameter, ParameterKind, ReportType
from shared.catalog.parameters import ValueProblem, normalise
from shared.catalog.query import placeholders, statement_problem
from shared.errors import TodokeError
from shared.nearest import did_you_mean

BUILTIN = Path(__file__).parent / "builtin"
"""A catalog that needs no data: what an installation without CATALOG_PATH offers."""

_TYPE_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_KEYS = {"title", "description", "version", "formats", "source", "parameters", "columns", "limits"}
_PARAMETER_KEYS = {
    "type", "title", "description", "required", "default", "min", "max", "pattern", "choices", "items",
}  # fmt: skip
_COLUMN_KEYS = {"title", "unit", "format", "width"}
_LIMIT_KEYS: Mapping[str, type[int] | type[float]] = {
    "timeout_s": float,
    "memory_mb": int,
    "max_rows": int,
    "max_attempts": int,
}


class CatalogError(TodokeError):
    """The catalog cannot be used. The message has one line a problem: `file:line: what: remedy`."""


def load_catalog(path: Path, *, default: str | None = None) -> Catalog:
    """Every report type below `path`, one folder each. Raises CatalogError naming every problem.

    `default` is the type that a request without one runs. Without it: the one whose `catalog.toml` names it
    (`default = "name"`), else the first in alphabetical order.
    """
    if not path.is_dir():
        raise CatalogError(f"{path}: no such folder: CATALOG_PATH names a folder with one sub-folder a report type")
    problems: list[str] = []
    types = {}
    for folder in sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))):
        report = _Reader(folder, problems).read()
        if report is not None:
            types[report.name] = report
    if not types and not problems:
        problems.append(f"{path}: no report types: add a folder with report.toml and query.sql")
    chosen = default or _named_default(path, problems)
    if chosen is not None and chosen not in types:
        problems.append(f"{path}: the default report type {chosen!r} does not exist{did_you_mean(chosen, types)}")
    if problems:
        raise CatalogError("\n".join(problems))
    return Catalog(types=types, default=chosen or next(iter(types), None))


def _named_default(path: Path, problems: list[str]) -> str | None:
    file = path / "catalog.toml"
    if not file.exists():
        return None
    try:
        return str(tomllib.loads(file.read_text(encoding="utf-8"))["default"])
    except KeyError:
        problems.append(f'{file}:1: has no `default`: write default = "name of a report type", or remove the file')
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{file}: {error}")
    return None


@dataclass
class _Reader:
    """Reads one folder. Problems go to the list that all folders share."""

    folder: Path
    problems: list[str]
    text: str = ""
    found: int = field(default=0, init=False)

    def read(self) -> ReportType | None:
        """The report type, or None if anything was wrong."""
        before = len(self.problems)
        report = self._read()
        return report if len(self.problems) == before else None

    def _read(self) -> ReportType | None:
        if not _TYPE_NAME.fullmatch(self.folder.name):
            self._wrong("", "the folder's name must be lower-case letters, digits and hyphens, beginning with a letter")
        raw = self._toml()
        query = self._query()
        if raw is None or query is None:
            return None
        self._unknown_keys(raw, _KEYS, "")
        parameters = tuple(
            p for p in (self._parameter(n, v) for n, v in self._table(raw, "parameters").items()) if p is not None
        )
        self._placeholders(query, [p.name for p in parameters], set(self._table(raw, "parameters")))
        return ReportType(
            name=self.folder.name,
            title=self._string(raw, "title", "", required=True),
            description=self._string(raw, "description", ""),
            version=self._string(raw, "version", "") or _fingerprint(self.folder),
            source=self._string(raw, "source", "") or "default",
            query=query,
            formats=self._formats(raw),
            parameters=parameters,
            columns={n: self._column(n, v) for n, v in self._table(raw, "columns").items()},
            limits=self._limits(self._table(raw, "limits")),
            folder=self.folder,
        )

    def _toml(self) -> Mapping[str, Any] | None:
        file = self.folder / "report.toml"
        try:
            self.text = file.read_text(encoding="utf-8")
            return tomllib.loads(self.text)
        except FileNotFoundError:
            self.problems.append(f"{file}: is missing: every report type has a report.toml")
        except UnicodeDecodeError:
            self.problems.append(f"{file}: is not UTF-8: save it as UTF-8")
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"line (\d+)", str(error))
            self.problems.append(f"{file}:{line[1] if line else 1}: {error}")
        return None

    def _query(self) -> str | None:
        file = self.folder / "query.sql"
        try:
            query = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            self.problems.append(f"{file}: is missing: every report type has one SELECT there")
            return None
        except UnicodeDecodeError:
            self.problems.append(f"{file}: is not UTF-8: save it as UTF-8")
            return None
        if problem := statement_problem(query):
            self.problems.append(f"{file}:1: {problem}")
        return query

    def _placeholders(self, query: str, known: list[str], declared: set[str]) -> None:
        file = self.folder / "query.sql"
        used = placeholders(query)
        for name in dict.fromkeys(used):
            if name not in declared:
                line = query[: query.index(f":{name}")].count("\n") + 1
                self.problems.append(
                    f"{file}:{line}: :{name} is not declared: add [parameters.{name}] to report.toml"
                    + (did_you_mean(name, known) if known else "")
                )
        for name in sorted(declared - set(used)):
            self._wrong(f"parameters.{name}", f"is not used in query.sql: use :{name} there or remove it")

    def _formats(self, raw: Mapping[str, Any]) -> tuple[Format, ...]:
        given = raw.get("formats", ["csv"])
        if not isinstance(given, list) or not given:
            self._wrong("formats", 'must be a list such as ["csv", "xlsx"]')
            return ()
        known = {f.value for f in Format}
        for name in given:
            if name not in known:
                self._wrong("formats", f"{name!r} is not a format{did_you_mean(str(name), known)}")
        return tuple(dict.fromkeys(Format(name) for name in given if name in known))

    def _parameter(self, name: str, raw: Any) -> Parameter | None:
        at = f"parameters.{name}"
        if not _PARAMETER_NAME.fullmatch(name):
            self._wrong(at, "a parameter's name is lower-case letters, digits and underscores, beginning with a letter")
        if not isinstance(raw, dict):
            self._wrong(at, f"must be a table: write [parameters.{name}]")
            return None
        self._unknown_keys(raw, _PARAMETER_KEYS, at)
        kind = self._kind(raw.get("type", "string"), f"{at}.type")
        items = self._kind(raw.get("items", "string"), f"{at}.items") if kind is ParameterKind.LIST else None
        if kind is None or (kind is ParameterKind.LIST and items is None):
            return None
        parameter = Parameter(
            name=name,
            kind=kind,
            title=self._string(raw, "title", at) or name,
            description=self._string(raw, "description", at),
            required=self._boolean(raw, "required", at),
            minimum=_json(raw.get("min")),
            maximum=_json(raw.get("max")),
            pattern=self._pattern(raw, at),
            choices=self._choices(raw, at, kind, items),
            items=items,
        )
        return self._with_default(parameter, _json(raw.get("default")), at)

    def _with_default(self, parameter: Parameter, default: object, at: str) -> Parameter:
        for key, value in (("min", parameter.minimum), ("max", parameter.maximum)):
            self._check_bound(parameter, value, f"{at}.{key}")
        if default is None:
            return parameter
        if parameter.required:
            self._wrong(f"{at}.default", "a required parameter needs no default: remove one of the two")
        try:
            normal = normalise(parameter, default)
        except (ValueProblem, ValueError, TypeError) as wrong:
            self._wrong(f"{at}.default", str(wrong))
            return parameter
        fields = {name: getattr(parameter, name) for name in Parameter.__dataclass_fields__}
        return Parameter(**{**fields, "default": normal})

    def _check_bound(self, parameter: Parameter, bound: object, at: str) -> None:
        if bound is None:
            return
        counted = parameter.kind in {ParameterKind.STRING, ParameterKind.LIST}
        if counted and (isinstance(bound, bool) or not isinstance(bound, int)):
            self._wrong(at, "must be a whole number: it counts characters or items")
        elif parameter.kind in {ParameterKind.BOOLEAN, ParameterKind.CHOICE}:
            self._wrong(at, f"a {parameter.kind} has no bounds: remove it")
        elif not counted:
            try:
                normalise(Parameter(parameter.name, parameter.kind, parameter.title), bound)
            except ValueProblem as wrong:
                self._wrong(at, str(wrong))

    def _kind(self, name: object, at: str) -> ParameterKind | None:
        known = [k.value for k in ParameterKind if not at.endswith(".items") or k is not ParameterKind.LIST]
        if name in known:
            return ParameterKind(str(name))
        self._wrong(at, f"{name!r} is not a type{did_you_mean(str(name), known)}")
        return None

    def _pattern(self, raw: Mapping[str, Any], at: str) -> str | None:
        pattern = self._string(raw, "pattern", at) or None
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                self._wrong(f"{at}.pattern", f"is not a regular expression: {error}")
                return None
        return pattern

    def _choices(
        self, raw: Mapping[str, Any], at: str, kind: ParameterKind, items: ParameterKind | None
    ) -> tuple[str, ...]:
        choices = raw.get("choices", [])
        wanted = ParameterKind.CHOICE in {kind, items}
        if not isinstance(choices, list) or not all(isinstance(c, str) for c in choices):
            self._wrong(f"{at}.choices", 'must be a list of strings such as ["EWR", "JFK"]')
            return ()
        if wanted and not choices:
            self._wrong(at, 'a choice needs choices = ["…", "…"]')
        if choices and not wanted:
            self._wrong(f"{at}.choices", 'only a choice has choices: write type = "choice" (or items = "choice")')
        return tuple(choices)

    def _column(self, name: str, raw: Any) -> Column:
        at = f"columns.{name}"
        if not isinstance(raw, dict):
            self._wrong(at, f"must be a table: write [columns.{name}]")
            return Column(name, name)
        self._unknown_keys(raw, _COLUMN_KEYS, at)
        width = raw.get("width")
        if width is not None and (
            isinstance(width, bool) or not isinstance(width, int | float) or not 1 <= width <= 255
        ):
            self._wrong(f"{at}.width", "must be a number of characters from 1 to 255")
            width = None
        return Column(
            name=name,
            title=self._string(raw, "title", at) or name,
            unit=self._string(raw, "unit", at),
            number_format=self._string(raw, "format", at),
            width=width,
        )

    def _limits(self, raw: Mapping[str, Any]) -> Limits:
        self._unknown_keys(raw, set(_LIMIT_KEYS), "limits")
        good: dict[str, Any] = {}
        for name, kind in _LIMIT_KEYS.items():
            if name not in raw:
                continue
            value = raw[name]
            if isinstance(value, bool) or not isinstance(value, (int, kind)) or value <= 0:
                self._wrong(f"limits.{name}", "must be a number above 0")
            else:
                good[name] = kind(value)
        return Limits(**good)

    def _table(self, raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        table = raw.get(key, {})
        if isinstance(table, dict):
            return table
        self._wrong(key, f"must be a table: write [{key}]")
        return {}

    def _string(self, raw: Mapping[str, Any], key: str, at: str, *, required: bool = False) -> str:
        path = f"{at}.{key}" if at else key
        value: object = raw.get(key, "")
        if not isinstance(value, str):
            self._wrong(path, "must be a string in quotes")
            return ""
        if required and not value:
            self._wrong(path, f'is missing: write {key} = "…"')
        return value

    def _boolean(self, raw: Mapping[str, Any], key: str, at: str) -> bool:
        value = raw.get(key, False)
        if not isinstance(value, bool):
            self._wrong(f"{at}.{key}", "must be true or false")
            return False
        return value

    def _unknown_keys(self, raw: Iterable[str], known: set[str], at: str) -> None:
        for key in raw:
            if key not in known:
                self._wrong(f"{at}.{key}" if at else key, f"is not a setting{did_you_mean(key, known)}")

    def _wrong(self, at: str, message: str) -> None:
        file = self.folder / "report.toml"
        self.problems.append(f"{file}:{line_of(self.text, at)}: {at + ': ' if at else ''}{message}")


def _json(value: Any) -> object:
    """TOML's own dates as the strings that JSON has for them."""
    if isinstance(value, list):
        return [_json(v) for v in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def line_of(text: str, path: str) -> int:
    """The line where `path` (`title`, `parameters.from.type`) is set; that of its table if it is not there; else 1."""
    table = ""
    best = 1
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if header := re.match(r"\[\s*([^\]]+?)\s*\]", stripped):
            table = re.sub(r"[\"'\s]", "", header[1])
            here = table
        elif key := re.match(r"([A-Za-z0-9_.\"'-]+)\s*=", stripped):
            here = ".".join(filter(None, [table, re.sub(r"[\"']", "", key[1])]))
        else:
            continue
        if here == path:
            return number
        if path.startswith(here + "."):
            best = number
    return best


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("report.toml", "query.sql"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:12]

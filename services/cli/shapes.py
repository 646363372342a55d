"""Reads the shape of the answer from the options of `todoke-server render`, as from the fields of a request."""

import argparse
import re
from collections.abc import Sequence

from services.cli.errors import WrongCall
from shared.catalog.model import ReportType
from shared.catalog.parameters import Violation
from shared.catalog.read_shape import read_shape
from shared.catalog.shape import Shape

_WORDS = {"true": True, "yes": True, "false": False, "no": False, "tab": "\t", "\\t": "\t"}


def shape_of(report: ReportType, given: argparse.Namespace) -> Shape:
    """Return the requested shape, with the report type's defaults. Raises WrongCall."""
    fields = {
        "timeZone": given.time_zone,
        "locale": given.locale,
        "columns": _names(given.columns),
        "sort": _names(given.sort),
        "limit": given.limit,
        "csv": _dialect(given.csv),
    }
    violations: list[Violation] = []
    shape = read_shape(report, fields, given.scopes, violations)
    if violations:
        raise WrongCall("\n".join(f"{v.field}: {v.message}" for v in violations))
    return shape


def _names(given: str | None) -> list[str] | None:
    return [name for name in given.split(",") if name] if given else None


def _dialect(given: Sequence[str]) -> dict[str, object] | None:
    found: dict[str, object] = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign or not name:
            raise WrongCall(f"--csv {one}: write NAME=VALUE, such as --csv 'delimiter=;' or --csv gzip=true")
        first, *words = re.split("[-_]", name)  # as `todoke submit` accepts them, too
        found[first + "".join(map(str.capitalize, words))] = _WORDS.get(value, value)
    return found or None

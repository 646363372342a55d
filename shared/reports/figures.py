"""Keeps the numbers of `[pdf.figures]` beside a report's files, for conditions on notifications."""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path

import duckdb

from shared.artifacts.tree import NotAPlainFile, Tree
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.summary import open_summaries
from shared.reports.interface import ReportError

log = logging.getLogger(__name__)

NAME = ".figures.json"
"""No file of a report begins with a dot, so this name is free."""
_MOST = 50
_MOST_BYTES = 16_384


def keep(rendering: Rendering, folder: Path) -> None:
    """Write the report's figures that are numbers into `folder`; a report without figures has none.

    The report is complete without them, so a failure is only logged. If a document shows them, the document fails by
    itself.
    """
    figures = rendering.report.pdf.figures
    if figures is None:
        return
    try:
        with open_summaries(rendering) as summaries:
            rows = summaries.objects(figures.name, figures.query)
    except (ReportError, duckdb.Error) as error:
        log.warning("figures.not_kept", extra={"reason": str(error)})
        return
    numbers = {name: value for name, value in (rows[0] if len(rows) == 1 else {}).items() if _is_number(value)}
    (folder / NAME).write_text(json.dumps(numbers))


def kept_in(folder: Path) -> Mapping[str, float]:
    """Return the figures that were kept, ignoring those that are not numbers.

    The report's process has ended, so nothing changes them any more.
    """
    try:
        with Tree(folder).open(NAME) as file:
            content = file.read(_MOST_BYTES + 1)
        read = json.loads(content) if len(content) <= _MOST_BYTES else None
    except FileNotFoundError:
        return {}
    except (OSError, NotAPlainFile, ValueError, RecursionError) as error:
        log.warning("figures.left_out", extra={"reason": str(error)})
        return {}
    if not isinstance(read, dict) or len(read) > _MOST:
        return {}
    return {name: value for name, value in read.items() if _is_number(value) and _can_be_stored(name)}


def _can_be_stored(name: str) -> bool:
    """False for a name that PostgreSQL accepts in no text: it would make the statement fail for other jobs, too."""
    return "\0" not in name and name.encode(errors="ignore").decode() == name


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(_float(value))


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf

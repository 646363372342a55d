"""Keeps an extract for a later attempt at the same question, which continues from there without the source.

A description, `extract.json`, is written beside the rows, last of all. An attempt uses only what it finds complete.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.catalog.model import Format
from shared.reports.columns import SourceColumn
from shared.reports.extract import ROWS_FILE, Extract, ExtractColumn
from shared.reports.question import Question

_ABOUT = "extract.json"
_LAYOUT = 9
"""Must be incremented when `ExtractColumn` or the file's content changes: an extract of another release is not used."""


def load(kept: Path, folder: Path, question: Question, formats: Sequence[Format]) -> Extract | None:
    """Return the extract that an earlier attempt left in `kept`, if it is complete and answers this very question.

    It is linked into `folder` before it is examined, so that another attempt cannot change it meanwhile.
    """
    path = folder / ROWS_FILE
    try:
        found = json.loads((kept / _ABOUT).read_text())
        if found["question"] != _fingerprint(question, formats):
            return None
        cells, has_file = found["cells"], found["has_file"]
        if has_file:
            path.hardlink_to(kept / ROWS_FILE)
        if found["sha256"] == _digests(path if has_file else None, cells):
            columns = [_column(one) for one in found["columns"]]
            return Extract(
                path, columns, found["rows"], found["snapshot"], found["text_bytes"], found["shown"], cells, has_file
            )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    path.unlink(missing_ok=True)
    return None


def keep(extract: Extract, kept: Path, question: Question, formats: Sequence[Format]) -> None:
    """Leave the extract in `kept` for a later attempt, completely or not at all: the description is written last.

    Cells are part of the description itself.
    """
    kept.mkdir(parents=True, exist_ok=True)
    about = {
        "question": _fingerprint(question, formats),
        "sha256": _digests(extract.path if extract.has_file else None, extract.cells),
        "rows": extract.rows,
        "snapshot": extract.snapshot,
        "text_bytes": extract.text_bytes,
        "shown": extract.shown,
        "columns": [_as_json(column) for column in extract.columns],
        "cells": extract.cells,
        "has_file": extract.has_file,
    }
    part = kept / f".part-{os.getpid()}"
    if extract.has_file:
        part.hardlink_to(extract.path)
        part.rename(kept / ROWS_FILE)
    part.write_text(json.dumps(about))
    part.rename(kept / _ABOUT)


def _as_json(column: ExtractColumn) -> Mapping[str, object]:
    fields = {name: getattr(column, name) for name in column.__slots__}
    return {**fields, "source": {name: getattr(column.source, name) for name in column.source.__slots__}}


def _digests(path: Path | None, cells: Sequence[Sequence[str | None]] | None) -> Sequence[str]:
    """Return the digests of the file and of the cells, as far as they exist."""
    of_file = [] if path is None else [_digest(path)]
    return of_file if cells is None else [*of_file, hashlib.sha256(json.dumps(cells).encode()).hexdigest()]


def _fingerprint(question: Question, formats: Sequence[Format]) -> str:
    report, asker = question.report, question.asker
    hidden = sorted(report.hidden_columns(asker.scopes))
    role = report.role.of(asker.tenant) if report.role and asker.tenant else None
    # An extract without a file does not answer Parquet.
    asked = [_LAYOUT, sorted(formats), report.name, report.version, report.source, report.query, question.parameters,
             asker.tenant, asker.requester, role, hidden, question.shape.as_json(), question.has_summaries]  # fmt: skip
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _column(found: dict[str, Any]) -> ExtractColumn:
    decimal = tuple(found.pop("decimal") or ()) or None
    return ExtractColumn(SourceColumn(**found.pop("source")), decimal=decimal, **found)

"""Messages from a report's process to its worker are received as sent, or not at all."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from shared.reports.interface import Progress, RenderedFile
from shared.reports.process.messages import NotUnderstood, SaltMet, decode, encode
from shared.reports.sources.scram import Salt
from shared.reports.warnings import ReportWarning, WarningCode

SCRATCH = Path("/scratch/one")
WARNING = ReportWarning(WarningCode.LETTERS_MISSING, "a.pdf", "No font has them.", ["ARABIC LETTER ALEF"])
FILE = RenderedFile("a.pdf", "pdf", SCRATCH / "a.pdf", "application/pdf", 5, "0" * 64, 1, [WARNING])


@pytest.mark.parametrize("file", [FILE, replace(FILE, warnings=[])], ids=["with a warning", "without"])
def test_files_arrive_as_they_were_told(file: RenderedFile) -> None:
    assert decode(encode([file], SCRATCH), SCRATCH) == [file]


@pytest.mark.parametrize(
    "warnings",
    [
        5,
        [5],
        [{}],
        [asdict(WARNING) | {"code": "made_up"}],
        [asdict(WARNING) | {"code": []}],
        [asdict(WARNING) | {"more": 1}],
        [asdict(WARNING) | {"message": "a\0b"}],
        [asdict(WARNING) | {"message": "a" * 8_001}],
        [asdict(WARNING) | {"characters": ["a"] * 101}],
        [asdict(WARNING)] * 101,
    ],
    ids=[
        "no list",
        "a number",
        "nothing in it",
        "unknown code",
        "no code",
        "more",
        "U+0000",
        "long",
        "letters",
        "many",
    ],
)
def test_a_warning_that_is_none_is_not_understood(warnings: Any) -> None:
    told = json.loads(encode([FILE], SCRATCH))
    told["files"][0]["warnings"] = warnings
    with pytest.raises(NotUnderstood):
        decode(json.dumps(told).encode(), SCRATCH)


@pytest.mark.parametrize("percent", ["1", 1e999, 10**400, -(10**400)], ids=["text", "inf", "huge", "-huge"])
def test_progress_that_is_none_is_not_understood(percent: Any) -> None:
    told = json.loads(encode(Progress("reading", 1), SCRATCH))
    told["progress"]["percent"] = percent
    with pytest.raises(NotUnderstood):
        decode(json.dumps(told).encode(), SCRATCH)


@pytest.mark.parametrize("met", [SaltMet(Salt("W22ZaJ0SNY7soEsUEjb6gQ==", 4096)), SaltMet(None)])
def test_a_salt_arrives_as_it_was_met(met: SaltMet) -> None:
    assert decode(encode(met, SCRATCH), SCRATCH) == met


@pytest.mark.parametrize(
    "salt",
    [
        5,
        {},
        {"base64": "AA==", "iterations": "1"},
        {"base64": 5, "iterations": 1},
        {"base64": "A" * 401, "iterations": 1},
        {"base64": "AA==", "iterations": 1, "more": 1},
    ],
)
def test_a_salt_that_is_none_is_not_understood(salt: Any) -> None:
    with pytest.raises(NotUnderstood):
        decode(json.dumps({"salt": salt}).encode(), SCRATCH)

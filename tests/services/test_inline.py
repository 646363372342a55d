"""Report types without files, in the worker's own process."""

import math
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from services.worker import inline
from shared import json_text
from shared.catalog.asker import NOBODY, Asker
from shared.catalog.model import ReportType
from shared.reports.interface import ReportError
from tests.benchmarks import counting, noop
from tests.benchmarks.counting import Counted
from tests.support.eventually import eventually
from tests.support.jobs import a_job, row, verbs
from tests.support.promises import broken
from tests.support.sqs.fast_process import FastSqs


def a_type(answer: object) -> ReportType:
    def give(_: Mapping[str, object], _asker: Asker) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ReportType(noop.NAME, "", "", "1", "python", "", (), answer=give)


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.fixture
def sqs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastSqs]:
    with FastSqs(tmp_path) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def test_the_answer_stands_in_the_job(database_url: str, conn: Connection, tmp_path: Path, sqs: FastSqs) -> None:
    job_id = a_job(conn, report_type=noop.NAME, parameters={}, formats=[])
    queue_url = sqs.queue("jobs")
    with (
        counting.relay(database_url, queue_url, Counted()),
        counting.worker(database_url, queue_url, tmp_path, Counted()),
    ):
        eventually(lambda: row(conn, job_id).status == "SUCCESS")

    assert row(conn, job_id).result["answer"] == {"done": True}
    assert verbs(conn, job_id) == ["submit", "start", "succeed"]
    assert broken(conn) == {}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"a": math.nan},
        {"a": object()},
        {"a": "x" * 70_000},
        {"a": ["nul \0"]},
        {"half": "\ud800"},
        {"deep": nested(200)},
        {"bytes": "é" * 40_000},
    ],
)
def test_an_answer_that_cannot_be_kept_fails_for_good(answer: object) -> None:
    with pytest.raises(ReportError) as failure:
        inline.answer(a_type(answer), {}, NOBODY)
    assert (failure.value.code, failure.value.retryable) == ("answer_wrong", False)


def test_a_text_that_only_looks_like_an_escape_is_kept() -> None:
    assert inline.answer(a_type({"a": "\\u0000 \U0001f600"}), {}, NOBODY) == {"a": "\\u0000 \U0001f600"}


def test_code_that_raises_is_tried_again_and_says_nothing_of_the_inside() -> None:
    with pytest.raises(ReportError) as failure:
        inline.answer(a_type(ZeroDivisionError("password=hunter2")), {}, NOBODY)
    assert failure.value.retryable
    assert "hunter2" not in str(failure.value)


def test_an_answer_is_kept_as_it_will_be_read() -> None:
    given = {"day": date(2026, 11, 28), "pair": (1, 2.5), 3: "a backslash, \\u0000", "deep": nested(198)}

    answer = inline.answer(a_type(given), {}, NOBODY)

    assert answer == {"day": "2026-11-28", "pair": [1, 2.5], "3": "a backslash, \\u0000", "deep": nested(198)}
    assert json_text.read(json_text.write({"answer": answer})) == {"answer": answer}

"""Why jobs fail, in one place: the codes, the page about them and the metrics' labels."""

import ast
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from deploy.tools.errors_page import page
from services.api.http.problem_codes import PROBLEMS
from services.worker import metrics
from services.worker.fitness import OWN_FAULTS
from shared.database import sqlstates
from shared.database.unavailable import is_unavailable
from shared.failures import FailureCode
from shared.jobs import sweep
from shared.reports import errors
from shared.reports.interface import ReportError
from shared.runtime.metrics.common import REASONS
from shared.runtime.metrics.declare import known

ROOT = Path(__file__).parents[2]


def test_the_page_of_error_codes_is_the_one_in_the_code() -> None:
    assert (ROOT / "docs" / "reference" / "errors.md").read_text() == page(), (
        "run: python -m deploy.tools.errors_page > docs/reference/errors.md"
    )


def test_the_page_has_the_codes_that_the_api_answers_with_and_no_others() -> None:
    code = "\n".join(file.read_text() for file in (ROOT / "services" / "api").rglob("*.py"))
    told = {(status, name) for status, names, _ in PROBLEMS for name in names}
    answered = {(int(status), name) for status, name in re.findall(r'Problem\(\s*(\d+),\s*"([a-z_]+)"', code)}

    assert {name for _, name in told if f'"{name}"' not in code} == set()
    assert answered - told == set()


def _report_errors(folder: str) -> Iterator[str]:
    """Where a ReportError is made by hand: its file and line."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called == "ReportError":
                    yield str(file.relative_to(ROOT))


def test_no_code_of_ours_is_spelled_where_it_is_raised() -> None:
    """`failure` asks for a FailureCode, which mypy checks; only packages of others make a ReportError by hand."""
    assert [*_report_errors("shared"), *_report_errors("services")] == [
        "shared/reports/errors.py",
        "shared/reports/process/messages.py",  # reads what a child said
    ]


@pytest.mark.parametrize("code", FailureCode)
def test_every_code_says_what_it_means_and_what_to_do(code: FailureCode) -> None:
    error = errors.failure(code, "a message")

    assert code.name == code.upper()
    assert code.meaning
    assert not code.meaning.endswith(".")
    assert code.remedy.endswith(".")
    assert (error.retryable, error.hint) == (code.retryable, code.remedy)
    assert errors.failure(code, "a message", hint="").hint == ""


def test_a_code_survives_the_way_from_the_child_to_the_database() -> None:
    sent = pickle.loads(pickle.dumps(errors.failure(FailureCode.SCRATCH_FULL, "full")))  # noqa: S301 - our own

    assert sent.code is FailureCode.SCRATCH_FULL
    assert json.dumps({"code": sent.code}) == '{"code": "scratch_full"}'


def test_every_code_is_a_label_and_a_package_s_own_is_other() -> None:
    own = ReportError("out_of_paper", "The printer is empty.", retryable=True)

    assert [known(code, REASONS) for code in FailureCode] == list(FailureCode)
    assert all(type(reason) is str for reason in REASONS)
    assert known(own.code, REASONS) == "other"


def test_every_fault_of_a_worker_s_own_is_a_cause_of_its_counter() -> None:
    assert set(metrics._OWN) == OWN_FAULTS


def test_the_sweeper_ends_jobs_with_codes_of_the_list() -> None:
    for name, error in sweep._EXPIRE_ERRORS.items():
        told = json.loads(error)
        assert told["code"] == name
        assert told["retryable"] is FailureCode[name.upper()].retryable


@pytest.mark.parametrize(
    ("state", "passes"),
    [("08006", True), ("40P01", True), ("53300", True), ("55P03", True), ("57P01", True), ("58030", True),
     ("22012", False), ("25006", False), ("42601", False), ("55000", False)],
)  # fmt: skip
def test_trouble_that_passes_is_told_by_its_sqlstate(state: str, passes: bool) -> None:
    assert sqlstates.passes(state) is passes


@pytest.mark.parametrize(
    ("state", "away"),
    [("57P01", True), ("57014", True), ("25P03", True), ("25P04", True), ("25006", True), ("55P03", True),
     ("23505", False), ("42P01", False)],
)  # fmt: skip
def test_a_database_that_is_away_is_told_from_a_statement_that_is_wrong(state: str, away: bool) -> None:
    class Said(Exception):
        sqlstate = state

    assert is_unavailable(DBAPIError("SELECT 1", {}, Said())) is away

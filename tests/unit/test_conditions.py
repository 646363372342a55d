"""Conditions of notifications about a job's end: what meets them, and what is wrong with one."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.api.actions.conditions import read_conditions
from shared.catalog.figures import figures_of
from shared.catalog.load import load_catalog
from shared.catalog.model import PdfOptions, SummaryTable
from shared.catalog.parameters import Violation
from shared.webhooks.conditions import Conditions, met
from shared.webhooks.event import Event, EventType
from todoke.cli.conditions import conditions
from todoke.cli.exits import WrongCall

AT = datetime(2026, 1, 31, tzinfo=UTC)
ENDS = (EventType.JOB_SUCCEEDED, EventType.JOB_FAILED, EventType.JOB_CANCELLED)


def an_event(kind: EventType, figures: dict[str, float | None] | None = None) -> Event:
    return Event(uuid4(), "acme", kind, AT, "t", uuid4(), 1, "S", None, None, None, None, None, None, figures)


def told(when: Conditions | None, figures: dict[str, float | None]) -> list[str]:
    return [one.partition(".")[2] for one in ENDS if met(when, an_event(one, figures if "succ" in one else None))]


@pytest.mark.parametrize(
    ("when", "figures", "expected"),
    [
        (None, {"rows": 0}, ["succeeded", "failed", "cancelled"]),
        (["rows"], {"rows": 0}, []),
        (["rows"], {"rows": None}, []),
        (["rows"], {"rows": 1}, ["succeeded"]),
        (["failure"], {"rows": 1}, ["failed"]),
        (["failure", "rows"], {"rows": 1}, ["succeeded", "failed"]),
        ([{"figure": "late", "above": 5}], {"rows": 1, "late": 5}, []),
        ([{"figure": "late", "above": 5}], {"rows": 1, "late": 5.5}, ["succeeded"]),
        ([{"figure": "late", "below": 5}], {"late": 4}, ["succeeded"]),
        ([{"figure": "late", "above": 9, "below": 5}], {"late": 7}, []),
        ([{"figure": "late", "above": 9, "below": 5}], {"late": 10}, ["succeeded"]),
        ([{"figure": "late", "below": 5}], {"rows": 3}, []),
    ],
)
def test_an_end_is_told_if_one_condition_is_met(
    when: Conditions | None, figures: dict[str, float | None], expected: list[str]
) -> None:
    assert told(when, figures) == expected


def test_what_is_no_end_of_a_job_is_told_in_any_case() -> None:
    assert all(met(["rows"], an_event(one)) for one in EventType if one not in ENDS)


@pytest.mark.parametrize(
    ("given", "field", "remedy"),
    [
        ("rows", "notifyWhen", "a list of 1 to 5"),
        ([], "notifyWhen", "leave it out for always"),
        (["rows"] * 6, "notifyWhen", "1 to 5"),
        (["row"], "notifyWhen[0]", "did you mean"),
        ([7], "notifyWhen[0]", '"rows", "failure" or'),
        (["rows", {"figure": "lates", "above": 1}], "notifyWhen[1].figure", "did you mean"),
        ([{"above": 1}], "notifyWhen[0].figure", "must give a figure"),
        ([{"figure": "late"}], "notifyWhen[0]", "must give a bound"),
        ([{"figure": "late", "above": "x"}], "notifyWhen[0].above", "a number"),
        ([{"figure": "late", "above": True}], "notifyWhen[0].above", "a number"),
        ([{"figure": "late", "above": 10**400}], "notifyWhen[0].above", "a number"),
        ([{"figure": "late", "above": 1, "abov": 1}], "notifyWhen[0].abov", "did you mean"),
    ],
)
def test_every_mistake_is_named_with_its_remedy(given: object, field: str, remedy: str) -> None:
    wrong: list[Violation] = []
    read_conditions(given, ["rows", "late"], wrong)
    assert remedy in {one.field: one.message for one in wrong}[field]


def test_what_is_right_is_kept_as_it_was_written() -> None:
    wrong: list[Violation] = []
    given: Any = ["failure", {"figure": "late", "above": 0.5, "below": None}]
    assert read_conditions(given, ["late"], wrong) == ["failure", {"figure": "late", "above": 0.5}]
    assert (read_conditions(None, [], wrong), wrong) == (None, [])


def test_the_figures_of_a_report_type_are_its_rows_and_the_columns_of_its_figures() -> None:
    report = load_catalog(Path("shared/catalog/builtin")).types["calendar"]
    figures = SummaryTable("figures", "", 'SELECT sum(a) AS late, count(*) as "All" FROM report')
    assert figures_of(report) == ["rows"]
    assert figures_of(replace(report, pdf=PdfOptions(figures=figures))) == ["rows", "late", "All"]
    assert figures_of(replace(report, formats=())) == []


def test_the_command_takes_words_and_bounds() -> None:
    assert conditions(["failure", "late > 1000", "share<0.5"]) == [
        "failure", {"figure": "late", "above": 1000}, {"figure": "share", "below": 0.5},
    ]  # fmt: skip
    assert conditions(None) is conditions(["always"]) is None
    with pytest.raises(WrongCall, match="not a number"):
        conditions(["late>x"])

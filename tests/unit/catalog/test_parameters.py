"""Every rule of the validator from both sides, and all violations at once."""

import time
from decimal import Decimal
from unittest import mock

import pytest
from pydantic import BaseModel

from shared.catalog.model import ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import InvalidParameters, Violation, validate_parameters
from tests.unit.catalog.builders import a_parameter, a_report

STRING, INTEGER, DECIMAL, BOOLEAN, DATE, DATETIME, CHOICE, LIST = ParameterKind


def violations(given: dict[str, object], *parameters: Parameter) -> list[Violation]:
    with pytest.raises(InvalidParameters) as refused:
        validate_parameters(a_report(*parameters), given)
    return refused.value.violations


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        (STRING, "", ""),
        (STRING, "naïve 🛫", "naïve 🛫"),
        (STRING, "x" * 1000, "x" * 1000),
        (INTEGER, 2**63 - 1, 2**63 - 1),
        (INTEGER, -(2**63), -(2**63)),
        (INTEGER, 3.0, 3),
        (INTEGER, -0.0, 0),
        (INTEGER, 1e2, 100),
        (DECIMAL, 0.1, "0.1"),
        (DECIMAL, "12.50", "12.50"),
        (DECIMAL, "0000.5", "0.5"),
        (DECIMAL, -0.0, "0.0"),
        (DECIMAL, 1e20, "100000000000000000000"),
        (DECIMAL, 7, "7"),
        (DECIMAL, "9" * 38, "9" * 38),
        (BOOLEAN, False, False),
        (DATE, "2024-02-29", "2024-02-29"),
        (DATETIME, "2026-01-31T09:00:00+09:00", "2026-01-31T00:00:00Z"),
        (DATETIME, "2026-01-31T09:00:00.000001Z", "2026-01-31T09:00:00.000001Z"),
    ],
)
def test_a_value_of_its_kind_is_stored_in_one_canonical_form(
    kind: ParameterKind, value: object, stored: object
) -> None:
    report = a_report(a_parameter(kind))
    assert validate_parameters(report, {"p": value}) == {"p": stored}
    assert validate_parameters(report, {"p": stored}) == {"p": stored}


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        (STRING, 5, "type"),
        (STRING, ["a"], "type"),
        (STRING, "a\0b", "character"),
        (STRING, "\ud83d", "character"),
        (STRING, "\udeeb\ud83d", "character"),
        (STRING, "x" * 1001, "too_long"),
        (INTEGER, True, "type"),
        (INTEGER, 3.5, "type"),
        (INTEGER, 2.0**53 + 2, "type"),
        (INTEGER, "3", "type"),
        (INTEGER, 2**63, "range"),
        (INTEGER, -(2**63) - 1, "range"),
        pytest.param(INTEGER, 10**5000, "range", id="huge integer"),
        (DECIMAL, True, "type"),
        (DECIMAL, "1e5", "type"),
        (DECIMAL, "1_000", "type"),
        (DECIMAL, " 1", "type"),
        (DECIMAL, "١٢", "type"),
        (DECIMAL, "NaN", "type"),
        (DECIMAL, float("nan"), "type"),
        (DECIMAL, float("inf"), "type"),
        (DECIMAL, Decimal("Infinity"), "type"),
        (DECIMAL, "1" * 39, "range"),
        (DECIMAL, 1e300, "range"),
        (DECIMAL, 1e-300, "range"),
        pytest.param(DECIMAL, 10**5000, "range", id="huge decimal"),
        (DECIMAL, "0" * 101, "range"),
        (BOOLEAN, 1, "type"),
        (BOOLEAN, "true", "type"),
        (DATE, "2013-02-29", "date"),
        (DATE, "0000-01-01", "date"),
        (DATE, "20130101", "type"),
        (DATE, "2013-W01-1", "type"),
        (DATE, "2013-01-01\n", "type"),
        (DATE, "٢٠١٣-01-01", "type"),
        (DATE, "2013-01-01T00:00:00Z", "type"),
        (DATETIME, "2026-01-31T09:00:00", "type"),
        (DATETIME, "2026-01-31", "type"),
        (DATETIME, "2026-01-31T25:00:00Z", "datetime"),
        (DATETIME, "0001-01-01T00:00:00+14:00", "datetime"),
        pytest.param(INTEGER, [10**5000], "type", id="a list of a huge one"),
        (CHOICE, "x", "choice"),
        (CHOICE, 1, "type"),
        (LIST, "UA", "type"),
        (LIST, {"0": "UA"}, "type"),
    ],
)
def test_a_value_of_another_kind_is_refused(kind: ParameterKind, value: object, code: str) -> None:
    parameter = a_parameter(kind, choices=("EWR", "JFK"), items=STRING if kind is LIST else None)
    [violation] = violations({"p": value}, parameter)
    assert (violation.field, violation.code) == ("parameters.p", code)
    violation.message.encode()  # it is sent to the client


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            "2026-01-31T09:00:00.1234567Z",
            "must have at most six digits of a second, not '2026-01-31T09:00:00.1234567Z'",
        ),
        (
            "2026-01-31T09:00:00",
            "must say its offset: write '2026-01-31T09:00:00Z' for UTC, or end with one such as +09:00",
        ),
        ("2026-01-31T09:00:00.5", "must say its offset: write '2026-01-31T09:00:00.5Z' for UTC, or end with"),
        ("2026-01-31 09:00:00Z", "must be a date and time with its offset, such as"),
    ],
)
def test_what_a_moment_lacks_is_told(value: str, told: str) -> None:
    """.NET writes seven digits, and Python no offset."""
    [violation] = violations({"p": value}, a_parameter(DATETIME))
    assert violation.message.startswith(told)


@pytest.mark.parametrize(
    ("kind", "minimum", "maximum", "inside", "below", "above"),
    [
        (STRING, 2, 3, ["ab", "🛫🛫🛫"], "a", "abcd"),
        (INTEGER, 1, 3, [1, 3], 0, 4),
        (DECIMAL, "0.1", "0.3", [0.1, "0.30"], "0.0999999999999999999999", "0.3000000000000000000001"),
        (DATE, "2013-01-01", "2013-12-31", ["2013-01-01", "2013-12-31"], "2012-12-31", "2014-01-01"),
        (
            DATETIME,
            "2026-01-01T00:00:00Z",
            "2026-01-02T00:00:00Z",
            ["2026-01-01T09:00:00+09:00"],
            "2026-01-01T08:59:59+09:00",
            "2026-01-02T00:00:00-01:00",
        ),
        (LIST, 1, 2, [["a"], ["a", "b"]], [], ["a", "b", "c"]),
    ],
)
def test_bounds_are_inclusive_and_exact(
    kind: ParameterKind, minimum: object, maximum: object, inside: list[object], below: object, above: object
) -> None:
    parameter = a_parameter(kind, minimum=minimum, maximum=maximum, items=STRING if kind is LIST else None)
    for value in inside:
        validate_parameters(a_report(parameter), {"p": value})
    assert [v.code for v in violations({"p": below}, parameter)] in (["minimum"], ["too_short"])
    assert [v.code for v in violations({"p": above}, parameter)] in (["maximum"], ["too_long"])


def test_a_pattern_must_match_the_whole_string() -> None:
    parameter = a_parameter(pattern="[A-Z]{2}|B6")
    assert validate_parameters(a_report(parameter), {"p": "B6"}) == {"p": "B6"}
    for wrong in ("UAX", "xUA", "UA\n"):
        assert [v.code for v in violations({"p": wrong}, parameter)] == ["pattern"]


def test_every_violation_is_named_at_once_with_its_place_and_a_remedy() -> None:
    found = violations(
        {"form": "2013-01-01", "to": "31.12.2013", "carriers": ["UA", 7, "Z9\0"], "origin": "EWK"},
        a_parameter(DATE, "from", required=True),
        a_parameter(DATE, "to"),
        a_parameter(LIST, "carriers", items=STRING),
        a_parameter(CHOICE, "origin", choices=("EWR", "JFK", "LGA")),
    )
    assert {(v.field, v.code) for v in found} == {
        ("parameters.form", "unknown_parameter"),
        ("parameters.from", "required"),
        ("parameters.to", "type"),
        ("parameters.carriers[1]", "type"),
        ("parameters.carriers[2]", "character"),
        ("parameters.origin", "choice"),
    }
    told = {v.field: v.message for v in found}
    assert "did you mean 'from'" in told["parameters.form"]
    assert "YYYY-MM-DD" in told["parameters.to"]
    assert "did you mean 'EWR'" in told["parameters.origin"]


class _Model(BaseModel):
    few: list[int] = []


def test_a_great_many_mistakes_take_no_time_and_not_all_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hints = mock.Mock(return_value="")
    monkeypatch.setattr("shared.catalog.parameters.did_you_mean", hints)
    many = a_parameter(LIST, "many", items=CHOICE, choices=("EWR", "JFK"))
    found = violations({"many": ["EWK"] * 900}, many)
    assert [one.field for one in found] == [*(f"parameters.many[{n}]" for n in range(20)), "parameters.many"]

    began = time.process_time()
    by_model = ReportType("r", "R", "", "1", "python", "", (), parameter_model=_Model)
    with pytest.raises(InvalidParameters) as caught:
        validate_parameters(by_model, {**{f"a{n}": 1 for n in range(100_000)}, "few": ["x"] * 100_000})
    assert len(caught.value.violations) <= 20 + 100
    assert time.process_time() - began < 5
    assert hints.call_count <= 40


def test_left_out_and_null_mean_the_default() -> None:
    report = a_report(
        a_parameter(INTEGER, "days", default=7),
        a_parameter(DATE, "from"),
        a_parameter(LIST, "tags", default=["a"], items=STRING),
    )
    expected = {"days": 7, "from": None, "tags": ["a"]}
    assert validate_parameters(report, {}) == expected
    assert validate_parameters(report, {"days": None, "from": None, "tags": None}) == expected
    assert validate_parameters(report, expected) == expected


def test_changing_a_stored_list_leaves_the_catalog_alone() -> None:
    report = a_report(a_parameter(LIST, "tags", default=["a"], items=STRING))
    stored = validate_parameters(report, {})
    assert isinstance(stored["tags"], list)
    stored["tags"].append("b")
    assert validate_parameters(report, {}) == {"tags": ["a"]}


@pytest.mark.parametrize("given", [{}, {"p": None}])
def test_a_required_parameter_cannot_be_left_out(given: dict[str, object]) -> None:
    [violation] = violations(given, a_parameter(CHOICE, required=True, choices=("EWR", "JFK")))
    assert (violation.code, violation.message) == ("required", "is required: P, a choice (EWR, JFK)")


def test_null_is_no_item_of_a_list() -> None:
    [violation] = violations({"p": ["a", None]}, a_parameter(LIST, items=STRING))
    assert (violation.field, violation.code) == ("parameters.p[1]", "type")


def test_junk_cannot_make_a_huge_or_unsendable_answer() -> None:
    [unsendable] = violations({"\ud800" + "x" * 10_000: 1})
    assert len(unsendable.field.encode()) < 200
    many = violations({f"x{n}": 1 for n in range(10_000)})
    assert len(many) == 21
    assert "9980 more" in many[-1].message
    [long_list] = violations({"p": [None] * 1001}, a_parameter(LIST, items=STRING))
    assert long_list.code == "too_long"
    [long_value] = violations({"p": "x" * 100_000}, a_parameter(DATE))
    assert len(long_value.message) < 200

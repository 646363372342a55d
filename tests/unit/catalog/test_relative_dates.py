"""Dates in words mean what a calendar and the zone's clocks say, and nothing else."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.moment import Moment, zone_names, zone_problem
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import InvalidParameters, validate_parameters, words_in
from shared.catalog.relative_dates import evaluate, is_relative
from shared.catalog.values import Refused
from tests.unit.catalog.builders import a_parameter, a_report

DATE, DATETIME = ParameterKind.DATE, ParameterKind.DATETIME
# A Thursday in UTC, and Friday the 1st of March already in Tokyo; 2024 is a leap year.
AT = datetime(2024, 2, 29, 16, 30, 15, tzinfo=UTC)
TOKYO, UTC_NOW = Moment(AT, "Asia/Tokyo"), Moment(AT)


@pytest.mark.parametrize(
    ("words", "in_utc", "in_tokyo"),
    [
        ("today", "2024-02-29", "2024-03-01"),
        ("yesterday", "2024-02-28", "2024-02-29"),
        ("tomorrow", "2024-03-01", "2024-03-02"),
        ("today-1d", "2024-02-28", "2024-02-29"),
        ("today+2w-1d", "2024-03-13", "2024-03-14"),
        ("today-1y", "2023-02-28", "2023-03-01"),
        ("today+1m", "2024-03-29", "2024-04-01"),
        ("today-1q", "2023-11-29", "2023-12-01"),
        ("thursday", "2024-02-29", "2024-02-29"),
        ("friday", "2024-02-23", "2024-03-01"),
        ("monday", "2024-02-26", "2024-02-26"),
        ("monday-1w", "2024-02-19", "2024-02-19"),
        ("start_of_week", "2024-02-26", "2024-02-26"),
        ("end_of_last_week", "2024-02-25", "2024-02-25"),
        ("start_of_month", "2024-02-01", "2024-03-01"),
        ("start_of_last_month", "2024-01-01", "2024-02-01"),
        ("end_of_last_month", "2024-01-31", "2024-02-29"),
        ("end_of_next_month", "2024-03-31", "2024-04-30"),
        ("start_of_quarter", "2024-01-01", "2024-01-01"),
        ("end_of_last_quarter", "2023-12-31", "2023-12-31"),
        ("start_of_next_year", "2025-01-01", "2025-01-01"),
        ("end_of_year-1d", "2024-12-30", "2024-12-30"),
    ],
)
def test_a_day_in_words_is_the_day_of_the_zones_calendar(words: str, in_utc: str, in_tokyo: str) -> None:
    assert str(evaluate(words, DATE, UTC_NOW)) == in_utc
    assert str(evaluate(words, DATE, TOKYO)) == in_tokyo


@pytest.mark.parametrize(
    ("words", "instant"),
    [
        ("now", "2024-02-29T16:30:15+00:00"),
        ("now-3h", "2024-02-29T13:30:15+00:00"),
        ("now-1d", "2024-02-28T16:30:15+00:00"),
        ("today", "2024-02-29T15:00:00+00:00"),
        ("today+9h", "2024-03-01T00:00:00+00:00"),
        ("start_of_last_month", "2024-01-31T15:00:00+00:00"),
        ("end_of_last_month", "2024-02-29T14:59:59.999999+00:00"),
    ],
)
def test_an_instant_in_words_follows_the_zones_clocks(words: str, instant: str) -> None:
    assert evaluate(words, DATETIME, TOKYO) == datetime.fromisoformat(instant)


def test_a_day_of_23_hours_begins_and_ends_where_the_clocks_say() -> None:
    berlin = Moment(datetime(2024, 3, 31, 10, tzinfo=UTC), "Europe/Berlin")
    assert evaluate("today", DATETIME, berlin) == datetime(2024, 3, 30, 23, tzinfo=UTC)
    assert evaluate("end_of_month", DATETIME, berlin) == datetime(2024, 3, 31, 21, 59, 59, 999999, tzinfo=UTC)
    # Clocks go from 23:59:59 to 1:00: the day begins at one.
    cairo = Moment(datetime(2024, 4, 26, 10, tzinfo=UTC), "Africa/Cairo")
    assert evaluate("today", DATETIME, cairo) == datetime(2024, 4, 25, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "words", "code"),
    [
        (DATE, "now", "type"),
        (DATE, "today+1h", "type"),
        (DATE, "today-9999y", "range"),
        (DATETIME, "today+9999y", "range"),
        (DATE, "end_of_next_decade", "type"),
        (DATE, "Today", "type"),
        (DATE, "today - 1d", "type"),
        (DATE, "today-1d-1d-1d-1d-1d", "type"),
        (DATE, "today-1d\n", "type"),
    ],
)
def test_words_that_stand_for_no_day_are_refused_with_an_example(kind: ParameterKind, words: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        evaluate(words, kind, UTC_NOW)
    assert refused.value.code == code
    with pytest.raises(InvalidParameters):
        validate_parameters(a_report(a_parameter(kind)), {"p": words}, UTC_NOW)


def test_a_misspelt_word_is_told_what_words_there_are() -> None:
    with pytest.raises(InvalidParameters) as refused:
        validate_parameters(a_report(a_parameter(DATE)), {"p": "yesterdy"}, UTC_NOW)
    [violation] = refused.value.violations
    assert violation.field == "parameters.p"
    assert '"start_of_last_month"' in violation.message


@given(st.sampled_from(sorted(zone_names())), st.datetimes(*(datetime(y, 1, 1) for y in (1990, 2090))))  # noqa: DTZ001
def test_a_days_start_and_end_lie_on_that_day_in_every_zone(zone: str, at: datetime) -> None:
    moment = Moment(at.replace(tzinfo=UTC), zone)
    for edge in (evaluate("today", DATETIME, moment), evaluate("end_of_week", DATETIME, moment)):
        assert isinstance(edge, datetime)
    assert Moment(moment.start_of(moment.day), zone).day == moment.day
    assert Moment(moment.end_of(moment.day), zone).day == moment.day


def test_what_is_stored_is_the_day_and_reading_it_again_changes_nothing() -> None:
    report = a_report(
        a_parameter(DATE, "from", default="start_of_last_month"),
        a_parameter(ParameterKind.LIST, "days", items=DATE),
        a_parameter(ParameterKind.STRING, "word"),
    )
    given = {"days": ["monday", "2024-01-05"], "word": "today"}
    stored = validate_parameters(report, given, TOKYO)
    assert stored == {"from": "2024-02-01", "days": ["2024-02-26", "2024-01-05"], "word": "today"}
    assert validate_parameters(report, stored) == stored
    assert words_in(report, given) == {"from": "start_of_last_month", "days": ["monday", "2024-01-05"]}
    assert words_in(report, stored) == {}


def test_bounds_hold_for_the_day_that_words_stand_for() -> None:
    parameter = a_parameter(DATE, minimum="2024-03-01")
    assert validate_parameters(a_report(parameter), {"p": "today"}, TOKYO) == {"p": "2024-03-01"}
    with pytest.raises(InvalidParameters, match="must be 2024-03-01 or more"):
        validate_parameters(a_report(parameter), {"p": "today"}, UTC_NOW)


def test_a_default_in_words_is_checked_when_the_catalog_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "query.sql").write_text("SELECT :from AS day")
    text = 'title = "Orders"\n[parameters.from]\ntype = "date"\nmin = 2999-01-01\ndefault = "{}"\n'
    (folder / "report.toml").write_text(text.format("start_of_last_month"))
    [parameter] = load_catalog(tmp_path).types["orders"].parameters
    assert isinstance(parameter, Parameter)
    assert parameter.default == "start_of_last_month"

    (folder / "report.toml").write_text(text.format("start_of_lst_month"))
    with pytest.raises(CatalogError, match=r"report.toml:5: .*must be a date or a relative date"):
        load_catalog(tmp_path)


def test_only_whole_words_are_words() -> None:
    assert is_relative("start_of_next_quarter")
    assert not any(map(is_relative, ["", "may", "2024-01-01", "today\n", "start_of_last_last_month", 5, None]))


def test_a_zone_is_one_of_the_database_and_a_misspelt_one_is_told_the_nearest() -> None:
    assert zone_problem("Asia/Tokyo") is None
    assert zone_problem("UTC") is None
    assert "did you mean 'Asia/Tokyo'?" in (zone_problem("asia/tokio") or "")
    assert "did you mean 'America/New_York'?" in (zone_problem("America/New York") or "")
    for foreign in ("", "localtime", "posixrules", "right/UTC", "../../etc/passwd", "Asia/Tokyo'; --", "\ud800"):
        assert zone_problem(foreign)


def test_no_word_needs_more_than_the_words_the_zone_and_the_instant() -> None:
    assert evaluate("today", DATE, UTC_NOW) == date(2024, 2, 29) == evaluate("today", DATE, Moment(AT, "Etc/UTC"))

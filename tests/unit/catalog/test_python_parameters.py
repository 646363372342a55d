"""Parameters of report types in Python: dates in words, their models' messages, and the language of their texts."""

import datetime as dt
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Annotated, Self

import pytest
from pydantic import AwareDatetime, BaseModel, Field, PastDate, model_validator

from shared.catalog import python_report
from shared.catalog.model import Format, ReportType
from shared.catalog.moment import Moment
from shared.catalog.parameters import InvalidParameters, validate_parameters, words_in
from shared.catalog.python_report import PythonColumn
from shared.catalog.schema import json_schema

AT = Moment(dt.datetime(2026, 3, 14, 22, tzinfo=dt.UTC), "Asia/Tokyo")
"""The 15th in Tokyo."""


class Dates(BaseModel):
    """Dates in all the ways that a model may ask for them."""

    first: Annotated[dt.date, Field(title="First day")]
    last: dt.date | None = None
    born: PastDate | None = None
    since: AwareDatetime | None = None
    holidays: list[dt.date] = []
    name: str = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last is not None and self.last < self.first:
            raise ValueError("終了日は開始日以降にしてください")
        return self


class Holidays:
    """A report type in Python."""

    title, description, version = "Holidays", "", "1"
    formats = (Format.CSV,)
    columns = (PythonColumn("day", "date"),)
    Parameters = Dates

    def rows(self, parameters: Dates, context: object) -> Iterator[tuple[dt.date]]:
        del context
        yield (parameters.first,)


def report_type(name: str, monkeypatch: pytest.MonkeyPatch) -> ReportType:
    """The report type of that class of this module."""
    point = EntryPoint("holidays", f"{__name__}:{name}", python_report.GROUP)
    monkeypatch.setattr(python_report, "entry_points", lambda group: [point])
    problems: list[str] = []
    found = list(python_report.python_report_types((), problems))
    assert not problems, problems
    return found[0]


@pytest.fixture
def holidays(monkeypatch: pytest.MonkeyPatch) -> ReportType:
    return report_type("Holidays", monkeypatch)


def test_words_stand_for_a_date_wherever_the_model_asks_for_one(holidays: ReportType) -> None:
    given = {
        "first": "start_of_last_month", "last": "today", "born": "start_of_year", "since": "yesterday",
        "holidays": ["2026-01-01", "monday"], "name": "today",
    }  # fmt: skip

    assert validate_parameters(holidays, given, AT) == {
        "first": "2026-02-01", "last": "2026-03-15", "born": "2026-01-01", "since": "2026-03-13T15:00:00Z",
        "holidays": ["2026-01-01", "2026-03-09"], "name": "today",
    }  # fmt: skip
    assert words_in(holidays, given).keys() == {"first", "last", "born", "since", "holidays"}


def test_the_schema_says_that_words_will_do(holidays: ReportType) -> None:
    properties = json_schema(holidays)["properties"]
    assert isinstance(properties, dict)

    first = properties["first"]
    assert (first["title"], first["type"], first["anyOf"][0]) == ("First day", "string", {"format": "date"})
    assert "start_of_last_month" in first["anyOf"][1]["title"]
    assert properties["holidays"]["items"]["anyOf"][0] == {"format": "date"}
    assert [len(one.get("anyOf", ())) for one in properties["since"]["anyOf"]] == [2, 0]
    assert "anyOf" not in properties["name"]


def test_what_is_neither_a_date_nor_words_is_told_with_the_words_that_there_are(holidays: ReportType) -> None:
    with pytest.raises(InvalidParameters) as refused:
        validate_parameters(holidays, {"first": "lastmonth", "last": "2026-2-30"}, AT)

    told = {v.field: v.message for v in refused.value.violations}
    assert told.keys() == {"parameters.first", "parameters.last"}
    assert 'or words for one, such as "today"' in told["parameters.first"]


def test_what_a_model_itself_refuses_is_told_in_its_own_words(holidays: ReportType) -> None:
    with pytest.raises(InvalidParameters) as refused:
        validate_parameters(holidays, {"first": "today", "last": "yesterday"}, AT)

    [violation] = refused.value.violations
    assert (violation.field, violation.message) == ("parameters", "終了日は開始日以降にしてください")


class Kyujitsu(Holidays):
    """A report type whose texts are Japanese."""

    language = "ja"


class Wrong(Holidays):
    """A report type of a language that is none."""

    language = "Japanese"


def test_a_class_says_in_which_language_its_texts_are(holidays: ReportType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert holidays.language == "en"
    assert report_type("Kyujitsu", monkeypatch).language == "ja"
    with pytest.raises(AssertionError, match=r"Japanese.* is not a language tag: write language"):
        report_type("Wrong", monkeypatch)

"""Parameters of report types in Python: dates in words, their models' messages, and the language of their texts."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from importlib.metadata import EntryPoint
from typing import Annotated, Any, Literal, Self

import pytest
from pydantic import AwareDatetime, BaseModel, Field, PastDate, create_model, model_validator

from shared.catalog import python_report
from shared.catalog.model import Format, ReportType
from shared.catalog.model_parameters import read_model
from shared.catalog.moment import Moment
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import InvalidParameters, validate_parameters, words_in
from shared.catalog.python_report import PythonColumn
from shared.catalog.schema import json_schema

STRING = ParameterKind.STRING
AT = Moment(dt.datetime(2026, 3, 14, 22, tzinfo=dt.UTC), "Asia/Tokyo")
"""The 15th in Tokyo."""


class Dates(BaseModel):
    """Dates in all the ways that a model may ask for them."""

    first: Annotated[dt.date, Field(title="First day")]
    last: dt.date | None = None
    born: PastDate | None = None
    since: AwareDatetime | None = None
    holidays: list[dt.date] = []
    until: Annotated[dt.date, Field(default="end_of_month")]
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
        "holidays": ["2026-01-01", "2026-03-09"], "until": "2026-03-31", "name": "today",
    }  # fmt: skip
    assert words_in(holidays, given).keys() == {"first", "last", "born", "since", "holidays", "until"}


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
    assert 'or a relative date, such as "today"' in told["parameters.first"]


def test_what_a_model_itself_refuses_is_told_in_its_own_words(holidays: ReportType) -> None:
    with pytest.raises(InvalidParameters) as refused:
        validate_parameters(holidays, {"first": "today", "last": "yesterday"}, AT)

    [violation] = refused.value.violations
    assert (violation.field, violation.message) == ("parameters", "終了日は開始日以降にしてください")


class Size(StrEnum):
    SMALL = "小"
    LARGE = "大"


class Everything(BaseModel):
    """One field of each kind that a form has."""

    text: Annotated[str, Field(min_length=2, max_length=9, description="Two letters or more.")]
    whole: Annotated[int, Field(ge=1, le=9)] = 3
    amount: Annotated[Decimal, Field(gt=0, le=100, decimal_places=2)] = Decimal("1.50")
    share: Annotated[float, Field(ge=0)] | None = None
    flag: bool = False
    day: dt.date = dt.date(2026, 1, 2)
    size: Size = Size.SMALL
    way: Literal["air", "sea"] | None = None
    sizes: Annotated[list[Size], Field(max_length=2)] = []
    ids: set[int] = set()


def test_a_form_knows_of_a_model_what_it_shows() -> None:
    parameters, single_values = read_model(Everything)
    text, whole, amount, share, flag, day, size, way, sizes, ids = parameters

    assert single_values
    assert text == Parameter("text", STRING, "Text", "Two letters or more.", required=True, minimum=2, maximum=9)
    assert whole == Parameter("whole", ParameterKind.INTEGER, "Whole", default=3, minimum=1, maximum=9)
    assert (amount.kind, amount.default, repr(amount.maximum)) == (ParameterKind.DECIMAL, "1.50", "100")
    assert (share.kind, share.required, share.minimum) == (ParameterKind.DECIMAL, False, 0)
    assert (flag.kind, flag.default) == (ParameterKind.BOOLEAN, False)
    assert (day.kind, day.default) == (ParameterKind.DATE, "2026-01-02")
    assert (size.kind, size.choices, size.default) == (ParameterKind.CHOICE, ("小", "大"), "小")
    assert (way.kind, way.choices) == (ParameterKind.CHOICE, ("air", "sea"))
    assert (sizes.kind, sizes.items, sizes.choices) == (ParameterKind.LIST, ParameterKind.CHOICE, ("小", "大"))
    assert (ids.kind, ids.items) == (ParameterKind.LIST, ParameterKind.INTEGER)


@pytest.mark.parametrize(
    "of", [dict[str, int], list[list[int]], tuple[int, str], int | str, Literal[1, 2], Dates, list[Dates]], ids=str
)
def test_what_is_no_single_value_has_no_field_of_its_own(of: Any) -> None:
    parameters, single_values = read_model(create_model("Model", one=(of, ...)))

    assert (len(parameters), parameters[0].kind, parameters[0].required, single_values) == (1, STRING, True, False)


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

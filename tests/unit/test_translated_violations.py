"""What is wrong with a value is told in the reader's language, with the bounds in it, from what the mistake is."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from services.api.console import translated
from services.api.console.texts import texts
from shared.catalog.model import Format, ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import InvalidParameters, Violation, validate_parameters


def a_report(*parameters: Parameter, model: type[BaseModel] | None = None) -> ReportType:
    return ReportType(
        name="probe", title="Probe", description="", version="1", source="default", query="SELECT 1",
        formats=(Format.CSV,), parameters=parameters, parameter_model=model,
    )  # fmt: skip


def one(kind: ParameterKind, **more: object) -> Parameter:
    return Parameter(name="p", kind=kind, title="P", **{"required": True, **more})  # type: ignore[arg-type]


def wrong(report: ReportType, given: Mapping[str, object]) -> list[Violation]:
    with pytest.raises(InvalidParameters) as caught:
        validate_parameters(report, given)
    return list(caught.value.violations)


@pytest.mark.parametrize(
    ("parameter", "value", "japanese"),
    [
        (one(ParameterKind.DATE), None, "入力してください"),
        (one(ParameterKind.DATE), "31.1.2026", "日付を YYYY-MM-DD の形で入力してください (例: 2026-01-31)"),
        (one(ParameterKind.DATE), "2026-02-30", "暦にない日時です"),
        (one(ParameterKind.DATETIME), "2026-01-31T09:00:00", "日時を時差付きで"),
        (one(ParameterKind.INTEGER), "many", "整数を入力してください"),
        (one(ParameterKind.INTEGER), 2**70, "以上 9223372036854775807 以下の整数"),
        (one(ParameterKind.INTEGER, minimum=3), 2, "3 以上にしてください"),
        (one(ParameterKind.DECIMAL, maximum=2), 2.5, "2 以下にしてください"),
        (one(ParameterKind.DECIMAL), "1,5", "数値を入力してください"),
        (one(ParameterKind.BOOLEAN), 1, "true か false"),
        (one(ParameterKind.STRING, maximum=3), "long", "3 文字以内にしてください"),
        (one(ParameterKind.STRING, minimum=3), "a", "3 文字以上にしてください"),
        (one(ParameterKind.STRING, pattern="^[A-Z]{3}$"), "abc", "決められた形 (^[A-Z]{3}$) に合いません"),
        (one(ParameterKind.CHOICE, choices=("JFK", "LGA")), "EWR", "次の中から選んでください: JFK, LGA"),
        (one(ParameterKind.LIST, items=ParameterKind.STRING, maximum=1), ["a", "b"], "1 個以内にしてください"),
    ],
)
def test_a_wrong_parameter_is_told_in_japanese_with_its_bounds(
    parameter: Parameter, value: object, japanese: str
) -> None:
    found = wrong(a_report(parameter), {} if value is None else {"p": value})

    [told] = translated.violations(found, texts("ja"))
    assert japanese in told.message
    assert not re.search(r"must|match|required|not one", told.message)
    assert translated.violations(found, texts("en")) == found


class Model(BaseModel):
    day: Literal["mon", "tue"]
    name: Annotated[str, Field(max_length=3, pattern="^[a-z]+$")]
    count: Annotated[int, Field(ge=1)]
    rate: Annotated[float, Field(lt=9)]
    some: Annotated[list[int], Field(max_length=1)]


def test_what_a_report_type_in_python_refuses_is_told_in_japanese_too() -> None:
    report = a_report(model=Model)
    given = {"day": "sun", "name": "long", "count": 0, "rate": 9, "some": [1, 2]}
    expected = ["次の中から選んでください: 'mon' or 'tue'", "3 文字以内", "1 以上", "9.0 より小さく", "1 個以内"]

    for some, told in ((given, expected), ({}, ["入力してください"] * 5)):
        shown = [each.message for each in translated.violations(wrong(report, some), texts("ja"))]
        assert [one for one, words in zip(shown, told, strict=True) if words not in one] == []
        assert not re.search(r"should|required", " ".join(shown))


def test_what_has_no_words_of_its_own_stands_behind_what_it_is_about() -> None:
    found = [Violation("url", "url", "leads nowhere"), Violation("a", "range", "must be larger")]

    assert [each.message for each in translated.violations(found, texts("ja"))][1] == "範囲の外です (must be larger)"

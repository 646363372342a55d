"""The example package of docs/reference/python-reports.md, installed and used."""

import datetime as dt
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import openpyxl
import pytest

from shared.catalog.load import BUILTIN, CatalogError, load_catalog
from shared.catalog.model import Format, Limits, ReportType
from shared.catalog.parameters import InvalidParameters, validate_parameters
from shared.catalog.python_report import PythonColumn
from shared.catalog.schema import json_schema
from shared.reports.interface import Progress, RenderRequest, ReportError
from shared.reports.progress import Steps
from shared.reports.sources.python_source import PythonResult, RunningReport, attached
from tests.reports.conftest import Run

EXAMPLE = Path(__file__).parent.parent / "example_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in it, as pip puts it there."""
    place = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")
    for file in EXAMPLE.glob("*.*"):
        (source / file.name).write_text(file.read_text())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--no-index", "--no-build-isolation", "--target", str(place), str(source)], check=True)
    return place


@pytest.fixture
def example(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReportType]:
    """The report type, with its package on the path."""
    monkeypatch.syspath_prepend(str(installed))
    yield load_catalog(BUILTIN).types["loan-plan"]
    sys.modules.pop("todoke_example", None)


def request_for(report: ReportType, folder: Path, **parameters: object) -> RenderRequest:
    stored = validate_parameters(report, parameters)
    return RenderRequest(report, stored, (Format.XLSX, Format.CSV), "", folder)


def test_it_is_a_report_type_like_any_other(example: ReportType, scratch: Path, run: Run) -> None:
    book, text, note = run(request_for(example, scratch, amount="1000.00", months=3))

    assert text.path.read_text().splitlines() == [
        "month,interest,repaid,owed", "1,2.50,332.50,667.50", "2,1.67,333.33,334.17", "3,0.84,334.17,0.00",
    ]  # fmt: skip
    assert [c.value for c in openpyxl.load_workbook(book.path).worksheets[-1][2]] == [1, 2.5, 332.5, 667.5]
    assert (note.name, note.format, note.media_type) == ("summary.txt", "attachment", "text/plain; charset=utf-8")
    assert note.path.read_text() == "Interest in all: 5.01\n"


def test_an_attached_file_and_one_that_the_job_named_are_told_apart(
    example: ReportType, scratch: Path, run: Run, installed: Path
) -> None:
    module = installed / "todoke_example.py"
    whole = module.read_text()
    module.write_text(whole.replace("summary.txt", "mine.csv"))
    try:
        with pytest.raises(ReportError, match=r"mine\.csv.*fileName") as failure:
            run(replace(request_for(example, scratch, amount=10), file_name="Mine"))
    finally:
        module.write_text(whole)
    assert (failure.value.code, failure.value.retryable) == ("attachment_wrong", False)


def test_the_packages_source_answers_a_query(example: ReportType, scratch: Path, run: Run) -> None:
    del example  # the package is there
    report = ReportType("squares", "Squares", "", "1", "squares", "first to last", (Format.CSV, Format.XLSX))
    text, book = run(RenderRequest(report, {}, report.formats, "numbers://3", scratch))

    assert text.path.read_text() == "n,square\n1,1\n2,4\n3,9\n"
    assert [c.value for c in openpyxl.load_workbook(book.path).worksheets[0][4]] == [3, 9]


def test_a_few_rows_are_enough_to_try_it(example: ReportType, scratch: Path, run: Run) -> None:
    request = replace(request_for(example, scratch, amount=10, months=600), first_rows=5)

    assert run(request)[0].rows == 5


def test_its_parameters_are_validated_with_all_violations(example: ReportType) -> None:
    with pytest.raises(InvalidParameters) as refused:
        validate_parameters(example, {"months": 0, "rate_percent": "x", "mounths": 2})

    assert {v.field for v in refused.value.violations} == {
        "parameters.amount", "parameters.months", "parameters.rate_percent", "parameters.mounths",
    }  # fmt: skip
    stored = validate_parameters(example, {"amount": 5})
    assert stored == {"amount": "5", "rate_percent": "3", "months": 120}
    assert validate_parameters(example, stored) == stored
    assert json_schema(example)["required"] == ["amount"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("(1, 2)", "Row 1 of the report does not fit its columns: 2 values for 4 columns"),
        ("(1.5, None, None, None)", "column 'month' is integer, not float"),
        ("(True, None, None, None)", "column 'month' is integer, not bool"),
    ],
)
def test_a_row_that_does_not_fit_is_told(
    row: str, told: str, example: ReportType, scratch: Path, run: Run, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = installed / "todoke_example.py"
    whole = module.read_text()
    module.write_text(whole.replace("yield month, interest, repaid, owed", f"yield {row}"))
    try:
        with pytest.raises(ReportError, match="does not fit") as failure:
            run(request_for(example, scratch, amount=10, months=1))
    finally:
        module.write_text(whole)
    assert told in str(failure.value)
    assert (failure.value.code, failure.value.retryable) == ("python_row_wrong", False)


@pytest.mark.parametrize(
    "name",
    ["../up", "a/b", "", ".hidden", "a\\b", "manifest.json", "plan.csv", "Manifest.json", "CON.csv", "lpt1", "x.", "x ",
     "a*b?.txt", "a\nb", "a\u202eb.txt", "a\ud800", "é" * 101],
)  # fmt: skip
def test_an_attached_file_cannot_leave_its_folder_or_replace_another(name: str, tmp_path: Path) -> None:
    running = RunningReport(tmp_path, 1, frozenset({"manifest.json", "plan.csv"}))

    with pytest.raises(ReportError, match=r"name|device") as refused, running.attach(name, "text/plain"):
        pass
    assert (refused.value.code, refused.value.retryable) == ("attachment_wrong", False)


@pytest.mark.parametrize(
    "name", ["Отчёт №5.pdf", "a b#c%2f.txt", "é" * 100, ";'.csv", "console.txt", "می\u200cشود.txt"]
)
def test_a_name_that_works_everywhere_is_taken_once(name: str, tmp_path: Path) -> None:
    running = RunningReport(tmp_path / "attachments", 1, frozenset())
    with running.attach(name, "text/plain; charset=utf-8") as file:
        file.write(b"x")

    assert [(p.name, t) for p, t in attached(tmp_path)] == [(name, "text/plain; charset=utf-8")]
    with pytest.raises(ReportError, match="another file"), running.attach(name.upper(), "text/plain"):
        pass


@pytest.mark.parametrize("media_type", ["text/届", "text/plain\r\nX-Injected: 1", "plain", "", "text/plain; charset"])
def test_a_media_type_that_no_header_can_carry_is_refused(media_type: str, tmp_path: Path) -> None:
    with pytest.raises(ReportError) as refused, RunningReport(tmp_path, 1, frozenset()).attach("a", media_type):
        pass
    assert (refused.value.code, refused.value.retryable) == ("attachment_wrong", False)


def fed(tmp_path: Path, type_: str, *rows: object) -> bytes:
    """What a report of one column hands over."""
    column = SimpleNamespace(columns=(PythonColumn("v", type_),))
    reading, writing = os.pipe()
    PythonResult(column, rows, RunningReport(tmp_path, 1, frozenset()), Limits()).feed(  # type: ignore[arg-type]
        writing, lenient=False, longest=999, as_text=[], progress=lambda _rows, _of=None: None
    )
    return os.read(reading, 999)


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [("float", math.nan, b"NaN"), ("float", -math.inf, b"-Infinity"), ("float", 1e22, b"1e+22"),
     ("float", 1.0, b"1"), ("float", -0.0, b"-0"), ("float", 3, b"3"), ("float", 0.5, b"0.5"),
     ("decimal", Decimal("-0.00"), b"0.00"), ("decimal", Decimal("-1E-7"), b"-0.0000001"),
     ("decimal", Decimal("NaN"), b"NaN"), ("decimal", Decimal("-Infinity"), b"-Infinity"),
     ("decimal", Decimal("1E+3"), b"1000"), ("integer", -(1 << 63), b"-9223372036854775808")],
)  # fmt: skip
def test_values_are_written_as_postgresql_writes_them(type_: str, value: object, text: bytes, tmp_path: Path) -> None:
    assert fed(tmp_path, type_, (value,)) == text + b"\n"


@pytest.mark.parametrize(
    ("type_", "row", "told"),
    [("integer", (1 << 63,), "beyond 64 bits"), ("float", (10**400,), "too large"), ("text", ("\ud800",), "surrogates"),
     ("datetime", (dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))),), "out of range"),
     ("datetime", (dt.datetime(2026, 1, 1),), "no time zone"), ("date", (dt.datetime(2026, 1, 1),), "not datetime"),  # noqa: DTZ001
     ("text", "x", "it is a str"), ("text", 5, "it is a int"), ("text", ("a", "b"), "2 values for 1 columns")],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_told_with_row_and_column(
    type_: str, row: object, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ReportError, match=re.escape(told)) as refused:
        fed(tmp_path, type_, (None,), row)
    assert (refused.value.code, refused.value.retryable) == ("python_row_wrong", False)
    assert str(refused.value).startswith("Row 2 ")


def test_what_it_tells_of_its_progress_becomes_a_percentage(tmp_path: Path) -> None:
    seen: list[Progress] = []
    steps = Steps(1, seen.append, clock=iter(range(99)).__next__)
    steps.begin("reading", None)

    RunningReport(tmp_path, 1, frozenset(), steps.at).progress(150, of=600)
    assert (seen[-1].rows, seen[-1].total_rows, seen[-1].percent) == (150, 600, 25.0)


def test_it_has_limits_of_rows_and_bytes(example: ReportType, scratch: Path, run: Run) -> None:
    request = request_for(example, scratch, amount=10, months=600)
    few = replace(request, report=replace(example, limits=Limits(max_rows=599)))
    with pytest.raises(ReportError) as failure:
        run(few)
    assert failure.value.code == "row_limit_exceeded"


def test_a_moment_of_the_first_years_is_written_whole(tmp_path: Path) -> None:
    early = dt.datetime(33, 4, 3, 15, tzinfo=dt.UTC)
    column = SimpleNamespace(columns=(PythonColumn("at", "datetime"),))
    reading, writing = os.pipe()

    PythonResult(column, [(early,)], RunningReport(tmp_path, 1, frozenset()), Limits()).feed(  # type: ignore[arg-type]
        writing, lenient=False, longest=99, as_text=[], progress=lambda _rows, _of=None: None
    )
    assert os.read(reading, 99) == b"0033-04-03 15:00:00+00:00\n"


def test_a_broken_package_is_told_and_not_left_out(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = installed / "todoke_example.py"
    whole = module.read_text()
    monkeypatch.syspath_prepend(str(installed))
    module.write_text("raise RuntimeError('no licence')")
    sys.modules.pop("todoke_example", None)
    try:
        with pytest.raises(CatalogError, match=r"todoke_example:LoanPlan .*no licence"):
            load_catalog(BUILTIN)
    finally:
        module.write_text(whole)
        sys.modules.pop("todoke_example", None)

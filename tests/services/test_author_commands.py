"""`todoke-server new` and `render`, as authors of report types use them."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, NoReturn

import openpyxl
import pytest
from pydantic import BaseModel

from services.cli import made, watching
from services.cli import render as render_command
from services.cli.__main__ import main
from services.cli.errors import WrongCall
from services.cli.parameters import read_parameters
from services.cli.watching import Changes
from shared.catalog.asker import Asker
from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import Catalog, ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.python_report import code_of, inline_report_type
from shared.reports.interface import Progress
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]
TOML = """
title = "Numbers"
formats = ["csv", "xlsx"]

[parameters.least]
type = "integer"
required = true
"""
QUERY = "SELECT n, :tenant AS who\n  FROM generate_series(1, 9) AS n\n WHERE n >= :least\n ORDER BY n"

Shown = tuple[int, str, str]
Run = Callable[..., Shown]


@pytest.fixture
def run(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in an empty folder, with a source: exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPORT_SOURCE_URL", database_url)
    for name in ("CATALOG_PATH", "DATABASE_URL", "REPORT_SOURCES", "REPORT_FONTS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> Shown:
        code = main(arguments)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """A catalog in the current folder, with one report type."""
    folder = tmp_path / "catalog" / "numbers"
    folder.mkdir(parents=True)
    (folder / "report.toml").write_text(TOML)
    (folder / "query.sql").write_text(QUERY)
    return folder


def test_every_wrong_file_of_a_schedule_is_told_with_its_line(run: Run, numbers: Path) -> None:
    folder = numbers.parent / "_schedules"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.toml").write_text('report_type = "numbers"\ncron = "0 7 * * *"\n[parameters]\nleast = 1\n')
    code, told, _ = run("check", "--no-files")
    assert (code, [line.partition(": is missing")[0] for line in told.splitlines()]) == (
        1, [f"catalog/_schedules/{name}.toml:1: tenant" for name in ("a", "b")],
    )  # fmt: skip


def test_a_new_report_type_is_fine_and_can_be_made_at_once(run: Run) -> None:
    assert run("new", "late-flights", "--format", "pdf", "--format", "csv")[:2] == (0, "catalog/late-flights\n")

    assert run("check") == (0, "late-flights: fine\n", "")
    code, out, err = run("render", "late-flights", "-p", "days=3", "--format", "csv", "--format", "pdf", "-O", "out")
    assert code == 0, err
    assert [line.split("\t")[:2] for line in out.splitlines()] == [
        ["out/late-flights.csv", "3"], ["out/late-flights.pdf", "3"],
    ]  # fmt: skip
    assert Path("out/late-flights.csv").read_text().splitlines()[1] == "2026-01-01,4,100.00"
    assert Path("out/late-flights.pdf").read_bytes().startswith(b"%PDF")
    assert "late-flights made in " in err


def test_a_new_report_type_may_ask_several_questions(run: Run) -> None:
    assert run("new", "late-flights", "--several", "--format", "csv")[0] == 0

    assert run("check") == (0, "late-flights: fine\n", "")
    code, out, err = run("render", "late-flights", "-p", "days=8", "-O", "out")
    assert (code, [line.split("\t")[1] for line in out.splitlines()]) == (0, ["8", "7"]), err
    assert run("new", "plan", "--several", "--python")[0] == 2


def test_a_title_is_whatever_people_call_it_and_a_source_has_its_name(run: Run) -> None:
    title = 'Züge\\ "heute" \u65e5\u672c'
    assert run("new", "trains", "--title", title, "--source", "files", "--catalog", "mine")[0] == 0

    report = load_catalog(Path("mine")).types["trains"]
    assert (report.title, report.source, [str(f) for f in report.formats]) == (title, "files", ["xlsx", "csv"])


@pytest.mark.parametrize("title", ["DEL \x7f", "two\nlines", "\udcff of no text", "\ufffe"])
def test_a_title_that_no_catalog_may_have_makes_nothing(run: Run, title: str) -> None:
    code, _, err = run("new", "trains", "--title", title)
    assert (code, "--title has " in err, Path("catalog").exists()) == (2, True, False)


def test_a_new_report_type_of_a_file_source_is_fine_too(run: Run, tmp_path: Path) -> None:
    run("new", "trains")
    code, out, err = run("render", "trains", "--source", tmp_path.as_uri(), "--format", "csv")

    assert (code, out.split("\t")[1]) == (0, "30"), err


def test_a_folder_that_is_there_stays_as_it_is(run: Run) -> None:
    Path("catalog/mine").mkdir(parents=True)
    Path("catalog/mine/query.sql").write_text("SELECT 1 AS one")

    assert run("new", "mine") == (
        1, "", "todoke-server new: catalog/mine exists already: choose another name, or remove it\n",
    )  # fmt: skip
    assert [file.name for file in Path("catalog").rglob("*")] == ["mine", "query.sql"]


def test_what_cannot_be_made_is_told(run: Run) -> None:
    Path("catalog").write_text("")
    assert run("new", "mine") == (1, "", "todoke-server new: catalog/mine cannot be made: File exists\n")
    code, _, err = run("new", "Late Flights!")
    assert (code, err.rstrip().endswith("did you mean 'late-flights'?")) == (2, True)
    code, _, err = run("new", "../etc")
    assert (code, err.rstrip().endswith("did you mean 'etc'?")) == (2, True)
    code, _, err = run("new", "mine", "--format", "xls")
    assert (code, "there is no such format; did you mean 'xlsx'?" in err) == (2, True)


@pytest.fixture
def package(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a new Python report type, whose package is installed."""
    assert run("new", "loan-plan", "--python", "--format", "csv")[:2] == (0, "loan-plan\n")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    site = tmp_path / "site"
    subprocess.run([*pip, "--no-index", "--no-build-isolation", "--target", site, "./loan-plan"], check=True)
    monkeypatch.syspath_prepend(str(site))
    yield site / "loan_plan_report.py"
    sys.modules.pop("loan_plan_report", None)


def test_a_new_python_report_type_is_fine_and_can_be_made_at_once(package: Path, run: Run) -> None:
    run("new", "other")
    assert run("check") == (0, "other: fine\nloan-plan: fine\n", "")

    code, out, err = run("render", "loan-plan", "-p", "days=2", "-p", "first_day=2026-03-01")
    assert (code, out.split("\t")[:2]) == (0, ["loan-plan.csv", "2"]), err
    assert Path("loan-plan.csv").read_text().splitlines() == ["day,amount", "2026-03-01,100", "2026-03-02,137"]


def test_what_the_code_of_a_report_raises_is_shown_to_its_author(package: Path, run: Run) -> None:
    """There was a ValueError, and a worker's log of which no command knows."""
    run("new", "other")
    text = package.read_text()
    package.write_text(text.replace("context.check_cancelled()", 'raise ValueError("no rate for 2026")'))

    code, _, err = run("render", "loan-plan")
    assert (code, err.count("no rate for 2026"), "worker's log" in err) == (1, 2, False), "the line, and what it raises"
    assert f'File "{package}", line ' in err
    code, out, err = run("check", "--report", "loan-plan")
    assert (code, "What was raised stands above." in out, "no rate for 2026" in err) == (1, True, True)


def test_watching_a_python_report_type_begins_anew_after_a_change(
    package: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_of("loan-plan") == package

    def ends() -> NoReturn:
        raise KeyboardInterrupt

    changing = threading.Timer(0.5, lambda: package.write_text(package.read_text() + "\n# changed\n"))
    monkeypatch.setattr(made, "say", lambda line: changing.start() if line.startswith("watching") else None)
    monkeypatch.setattr(render_command, "begin_anew", ends)

    assert run("render", "loan-plan", "--watch")[0] == 0
    changing.join()


def test_beginning_anew_runs_the_same_command_but_opens_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-m", "services.cli", "render", "x", "--open", "--watch"])
    monkeypatch.setattr(os, "execv", lambda _, arguments: ran.append(arguments))

    watching.begin_anew()
    assert ran == [[sys.executable, "-m", "services.cli", "render", "x", "--watch"]]


def test_files_are_placed_whole_and_told_as_json(numbers: Path, run: Run) -> None:
    Path("out").mkdir()
    Path("out/numbers.csv").write_text("old")

    code, out, err = run(
        "render", "numbers", "-p", "least=8", "--format", "zip", "-O", "out", "-o", "json", "--tenant", "acme"
    )
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert {file["name"]: file["rows"] for file in document["files"]} == {
        "numbers.csv": 2, "numbers.xlsx": 2, "numbers.zip": 2,
    }  # fmt: skip
    assert document["reportType"] == "numbers"
    assert Path("out/numbers.csv").read_text() == "n,who\n8,acme\n9,acme\n"
    assert openpyxl.load_workbook("out/numbers.xlsx").worksheets[-1]["A2"].value == 8
    assert sorted(path.name for path in Path("out").iterdir()) == ["numbers.csv", "numbers.xlsx", "numbers.zip"]


def test_the_shape_of_the_answer_is_asked_for_as_in_a_request(numbers: Path, run: Run) -> None:
    with (numbers / "report.toml").open("a") as file:
        file.write("[columns.n]\n[columns.who]\n")
    asked = [
        "--columns",
        "n",
        "--sort=-n",
        "--limit",
        "2",
        "--csv",
        "header=titles",
        "--csv",
        "lineEnd=lf",
        "--csv",
        "line-end=crlf",
    ]
    code, _, err = run("render", "numbers", "-p", "least=1", *asked, "--time-zone", "Asia/Tokyo")
    assert (code, Path("numbers.csv").read_bytes()) == (0, b"N\r\n9\r\n8\r\n"), err
    code, _, err = run("render", "numbers", "-p", "least=1", "--time-zone", "Asia/Tokio", "--columns", "m")
    assert code == 2
    assert "did you mean 'Asia/Tokyo'" in err
    assert "columns[0]: is not a column" in err


def test_an_error_is_told_as_a_worker_tells_it(numbers: Path, run: Run) -> None:
    (numbers / "query.sql").write_text(QUERY.replace("n >=", "m >="))

    code, out, err = run("render", "numbers", "-p", "least=1")
    assert (code, out) == (1, "")
    assert err.startswith("catalog/numbers/query.sql:3: The report's query failed in line 3")
    assert err.endswith("(source_query_failed)\n")
    error = json.loads(run("render", "numbers", "-p", "least=1", "-o", "json")[2])
    assert (error["code"], error["retryable"], "column" in error["message"]) == ("source_query_failed", False, True)


def test_a_catalog_that_is_wrong_is_told_with_file_and_line(numbers: Path, run: Run) -> None:
    (numbers / "report.toml").write_text(TOML.replace("title", "titel", 1))

    assert run("render", "numbers")[0] == 1
    assert "catalog/numbers/report.toml:2: titel: is not a setting" in run("render", "numbers")[2]
    assert json.loads(run("render", "numbers", "-o", "json")[2])["problems"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["number"], "there is no report type 'number'; did you mean 'numbers'?"),
        (["numbers"], "parameters.least: is required: Least, a integer"),
        (["numbers", "-p", "least=x"], "parameters.least: must be"),
        (["numbers", "-p", "leest=1"], "numbers has no parameter 'leest'; did you mean 'least'?"),
        (["numbers", "-p", "least"], "-p least: write -p NAME=VALUE, NAME:=JSON or NAME=@FILE"),
        (["numbers", "-p", "least:=1,"], "-p least:=1,: is not JSON"),
        (["numbers", "-p", "least=@nowhere"], "nowhere cannot be read: No such file"),
        (["numbers", "--params", "nowhere"], "--params nowhere cannot be read: No such file"),
        (["numbers", "-p", "least=1", "--format", "pdf"], "numbers has no such format"),
        (["numbers", "-p", "least=1", "--source", "a://b", "--source", "c://d"], "--source is given twice"),
        (["numbers", "-p", "least=1", "--source", "Orders=file:///x"], "--source: write name=URL"),
        (["numbers", "-p", "least=1", "-O", "catalog/numbers/query.sql"], "nothing can be written there"),
    ],
)
def test_a_wrong_call_is_told_with_the_remedy(numbers: Path, run: Run, arguments: list[str], told: str) -> None:
    code, out, err = run("render", *arguments)

    assert (code, out) == (2, "")
    assert told in err


def test_who_has_named_no_catalog_is_told_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CATALOG_PATH", raising=False)

    code, _, err = run("render", "late-flights")

    assert code == 2
    assert err.endswith("; no catalog is named: set CATALOG_PATH, or give --catalog FOLDER\n")


def test_a_source_that_is_away_and_a_catalog_that_is_nowhere_are_told(numbers: Path, run: Run) -> None:
    away = run("render", "numbers", "-p", "least=1", "--source", "postgresql://u:hunter2@127.0.0.1:1/d")
    assert away[0] == 1
    assert "did not answer" in away[2]
    assert "hunter2" not in "".join(map(str, away))
    assert run("render", "numbers", "--catalog", "nowhere")[0] == 1


def test_without_a_catalog_the_built_in_one_is_taken(run: Run) -> None:
    assert run("render", "calendar")[1].split("\t")[:2] == ["calendar.csv", "365"]


A_REPORT = ReportType(
    "r", "R", "", "1", "default", "", (),
    parameters=(
        Parameter("whole", ParameterKind.INTEGER, "W"),
        Parameter("exact", ParameterKind.DECIMAL, "E"),
        Parameter("yes", ParameterKind.BOOLEAN, "Y"),
        Parameter("text", ParameterKind.STRING, "T"),
        Parameter("many", ParameterKind.LIST, "M", items=ParameterKind.INTEGER),
        Parameter("names", ParameterKind.LIST, "N", items=ParameterKind.STRING),
    ),
)  # fmt: skip


class Maybe(BaseModel):
    """What a Python report type may ask for."""

    many: list[int] | None = None
    share: float = 0.5
    more: dict[str, int] = {}


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (["whole=-3"], {"whole": -3}),
        (["whole=3.0"], {"whole": "3.0"}),
        (["exact=0.10"], {"exact": "0.10"}),
        (["yes=true"], {"yes": True}),
        (["yes=1"], {"yes": "1"}),
        (["text=1"], {"text": "1"}),
        (["text=a=b:=c"], {"text": "a=b:=c"}),
        (["text="], {"text": ""}),
        (["text=x", "text=y"], {"text": ["x", "y"]}),
        (["many=1", "many=x"], {"many": [1, "x"]}),
        (["names=7"], {"names": ["7"]}),
        (['names:=["7", "8"]'], {"names": ["7", "8"]}),
        (["whole:=null"], {"whole": None}),
    ],
)  # fmt: skip
def test_a_parameter_has_the_type_that_is_asked_for(given: list[str], values: dict[str, object]) -> None:
    assert read_parameters(A_REPORT, given, None) == values


def test_parameters_of_a_model_and_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = ReportType("r", "R", "", "1", "python", "", (), parameter_model=Maybe)
    assert read_parameters(report, ["many=1", "share=0.25", 'more={"a": 1}'], None) == {
        "many": [1], "share": 0.25, "more": {"a": 1}
    }  # fmt: skip

    (tmp_path / "long").write_text("a text\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"whole": 1, "text": "b"}'))
    assert read_parameters(A_REPORT, [f"text=@{tmp_path / 'long'}"], "-") == {"whole": 1, "text": "a text\n"}
    monkeypatch.setattr(sys, "stdin", io.StringIO("[]"))
    with pytest.raises(WrongCall, match="must be a JSON object"):
        read_parameters(A_REPORT, [], "-")


class Host(BaseModel):
    """The parameters of Ping."""

    host: str = "localhost"


class Ping:
    """Answers without a file."""

    title: ClassVar[str] = "Ping"
    description: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    Parameters: ClassVar[type[BaseModel]] = Host

    def answer(self, parameters: Host, asker: Asker) -> dict[str, object]:
        if parameters.host == "nowhere":
            raise OSError("no such host")
        return {"host": parameters.host, "for": asker.tenant}


def test_an_answer_is_printed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    types = {"ping": inline_report_type("ping", Ping())}
    monkeypatch.setattr(render_command, "load_catalog", lambda _: Catalog(types, default="ping"))

    assert run("render", "ping", "-p", "host=a") == (0, '{"host": "a", "for": "default"}\n', "")
    code, out, err = run("render", "ping", "-p", "host=nowhere")
    assert (code, out, "could not be made" in err) == (1, "", True)


def test_a_change_is_one_when_it_rests_and_compiled_code_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda _: None)  # looked at by hand
    file = tmp_path / "query.sql"
    file.write_text("1")
    changes = Changes([tmp_path, tmp_path / "not-there"])

    changes.look()
    assert not changes.happened.is_set()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_text("x")
    file.write_text("12")
    changes.look()
    assert not changes.happened.is_set(), "it may be half of a copy"
    file.write_text("123")
    changes.look()
    assert not changes.happened.is_set()
    changes.look()
    assert changes.happened.is_set()
    changes.wait()
    (tmp_path / "__pycache__" / "x.pyc").write_text("xyz")
    changes.look()
    changes.look()
    assert not changes.happened.is_set()


def test_watching_makes_it_again_after_each_change_and_ctrl_c_ends_it(
    numbers: Path, run: Run, tmp_path: Path, database_url: str
) -> None:
    del run  # the folder and the environment
    made_there = tmp_path / "numbers.csv"
    command = [sys.executable, "-m", "services.cli", "render", "numbers", "-p", "least=8", "--watch", "-o", "json"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "REPORT_SOURCE_URL": database_url},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert json.loads(process.stdout.readline())["files"][0]["rows"] == 2
        (numbers / "query.sql").write_text(QUERY.replace("n >=", "m >="))
        errors = iter(process.stderr.readline, "")
        assert any("source_query_failed" in line for line in errors)
        assert any("watching" in line for line in errors)
        (numbers / "query.sql").write_text(QUERY.replace("9)", "10)"))
        assert json.loads(process.stdout.readline())["files"][0]["rows"] == 3
        eventually(lambda: made_there.read_text().endswith("10,default\n"))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_progress_is_a_line_of_a_terminal_and_nothing_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with made.progress() as show:
        show(Progress("reading", 12_345, percent=42.0))
    assert capsys.readouterr().err == ""

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.delenv("TERM", raising=False)
    with made.progress() as show:
        show(Progress("reading", 12_345, percent=42.0))
    assert capsys.readouterr().err == "\r\x1b[Kreading 12,345 rows 42 %\r\x1b[K"


def test_a_file_is_opened_by_the_machines_own_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = tmp_path / "opened"
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" > {opened}.new && mv {opened}.new {opened}\n')
    opener.chmod(0o755)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    made.open_file(tmp_path / "a.pdf")
    assert eventually(lambda: opened.exists() and opened.read_text()) == f"{tmp_path}/a.pdf\n"

    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    made.open_file(tmp_path / "a.pdf")
    assert capsys.readouterr().err == f"nothing on this machine opens {tmp_path}/a.pdf\n"


def test_a_wrong_catalog_is_waited_for_while_watching(numbers: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a report type that is not there yet."""
    rounds = iter(["wrong", "not there", "right"])

    def load(path: Path) -> Catalog:
        match next(rounds):
            case "wrong":
                raise CatalogError(["x.toml:1: is wrong"])
            case "not there":
                return Catalog({}, default=None)
            case _:
                raise KeyboardInterrupt

    monkeypatch.setattr(render_command, "load_catalog", load)
    monkeypatch.setattr(Changes, "wait", lambda _: None)

    code, _, err = run("render", "numbers", "--watch")
    assert code == 0
    assert [line for line in err.splitlines() if not line.startswith("watching")] == [
        "x.toml:1: is wrong", "there is no report type 'numbers'; there are none",
    ]  # fmt: skip

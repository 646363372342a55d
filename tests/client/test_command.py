"""The command line, in this process: its output and its exit codes."""

import json
import time
from pathlib import Path

import pytest

from tests.client.command import Command, todoke, url, world
from tests.client.fake_api import World
from todoke.cli.app import run
from todoke.cli.commands_types import kind_of

__all__ = ["todoke", "url", "world"]  # fixtures


def test_a_report_is_asked_for_waited_for_and_downloaded(todoke: Command, world: World, tmp_path: Path) -> None:
    ran = todoke("submit", "calendar", "-p", "from=2026-01-31", "-f", "csv", "--wait", "-O", str(tmp_path / "out"))

    assert ran.code == 0
    assert ran.out == f"{tmp_path / 'out' / 'calendar.csv'}\n"
    assert (tmp_path / "out" / "calendar.csv").read_bytes() == world.content
    lines = ran.err.splitlines()
    assert [line.split("  ")[2] for line in lines[1:4]] == ["PENDING", "PROCESSING", "SUCCESS"]
    assert lines[4] == "calendar.csv: downloaded, 15 B, SHA-256 verified"
    [(_, _, headers, body)] = [one for one in world.asked if one[0] == "POST"]
    assert json.loads(body) == {"reportType": "calendar", "parameters": {"from": "2026-01-31"}, "formats": ["csv"]}
    assert headers["User-Agent"].endswith(" cli")


def test_parameters_are_typed_by_the_types_schema(todoke: Command, world: World, tmp_path: Path) -> None:
    (tmp_path / "day").write_text("2026-01-31")
    (tmp_path / "more.json").write_text('{"least": 1, "from": "2000-01-01"}')
    given = [
        f"from=@{tmp_path / 'day'}", "least=5", "share=1.5", "exact=yes", "carriers=AA", "carriers=UA", "maybe:=null",
    ]  # fmt: skip
    options = [part for one in given for part in ("-p", one)]

    assert todoke("submit", "calendar", "--params", str(tmp_path / "more.json"), *options).code == 0
    assert json.loads(world.asked[-1][3])["parameters"] == {
        "from": "2026-01-31", "least": 5, "share": 1.5, "exact": True, "carriers": ["AA", "UA"], "maybe": None,
    }  # fmt: skip
    todoke("submit", "calendar", "--params", "-", stdin='{"from": "2026-02-01"}')
    assert json.loads(world.asked[-1][3])["parameters"] == {"from": "2026-02-01"}
    todoke("submit", "-p", "least=4")
    assert json.loads(world.asked[-1][3]) == {"parameters": {"least": 4}}, "the default type has the schema"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["submit", "calendar", "-p", "form=x"], "-p form: no such parameter; did you mean from?"),
        (["submit", "calendar", "-p", "zzz=x"], "choose among from, least, share"),
        (["submit", "calendar", "-p", "least"], "write name=value"),
        (["submit", "calendar", "-p", "least=many"], "-p least=many: must be a number"),
        (["submit", "calendar", "-p", "exact=perhaps"], "must be true or false"),
        (["submit", "calendar", "-p", "least=1", "-p", "least=2"], "given twice"),
        (["submit", "calendar", "-p", "least:=[1"], "must be JSON"),
        (["submit", "calendar", "-p", "from=@/no/such/file"], "the file cannot be read"),
        (["submit", "calendar", "--params", "/no/such/file"], "cannot be read as JSON"),
        (["submit", "calendar", "--wait=soon"], "--wait soon: not a duration; use one such as 90s, 10m"),
        (["submit", "-O", "a", "--file", "b"], "use either --into or --file, not both"),
        (["submit", "--idempotency-key", "a b"], "1 to 255 visible ASCII characters"),
        (["show", "not-an-id"], "'not-an-id' is not the id of a job"),
        (["jobs", "--limit", "0"], "--limit"),
        (["jobs", "-o", "yaml"], "yaml"),
        (["jobs", "--url", "nowhere"], "'nowhere' is not a valid API address"),
        (["jobs", "--profile", "none"], "--profile none: no such profile; create one with `todoke login`"),
        (["help", "nothing"], "choose one of environment, exit-codes, output"),
        (["nothing"], "nothing"),
        (["download", "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10", "a", "b", "--file", "c"], "--file downloads one file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_is_told_and_changes_nothing(
    arguments: list[str], told: str, todoke: Command, world: World
) -> None:
    ran = todoke(*arguments)

    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert ran.err.startswith("todoke: ")
    assert world.posts() == []


@pytest.mark.parametrize(
    ("ends", "code", "told"),
    [
        (["PROCESSING", "FAILED"], 3, "failed: query_failed: no �[31mtable\nAsk."),
        (["CANCELLED"], 9, "was cancelled"),
        (["PROCESSING"], 8, "is still PROCESSING. To wait again: todoke watch "),
    ],
)
def test_how_a_job_ends_is_how_the_command_ends(
    ends: list[str], code: int, told: str, todoke: Command, world: World
) -> None:
    world.ends = ends
    ran = todoke("submit", "calendar", "-p", "from=2026-01-31", "--wait=1s", "-o", "json")

    assert ran.code == code
    assert told in ran.err
    assert json.loads(ran.out)["status"] == ends[-1]
    job_id = json.loads(ran.out)["jobId"]
    assert todoke("watch", job_id, "--timeout", "1s").code == code


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 6), (401, 4), (403, 4), (404, 5), (409, 6), (410, 5), (422, 6), (429, 7), (500, 75), (503, 75)],
)
def test_what_the_server_says_is_the_exit_code_and_the_problem_in_json(
    status: int, code: int, todoke: Command, world: World
) -> None:
    world.problem = (status, "some_code")
    ran = todoke("jobs", "-o", "json")

    assert (ran.code, ran.out) == (code, "")
    assert json.loads(ran.err)["code"] == "some_code"
    said = todoke("jobs").err
    assert f"{status} some_code: So it is." in said
    assert ("todoke login" in said) is (status == 401)


def test_a_server_that_is_away_is_1(todoke: Command) -> None:
    ran = todoke("jobs", "--url", "http://127.0.0.1:9")
    assert ran.code == 1
    assert ran.err == "todoke: http://127.0.0.1:9 cannot be reached: Connection refused\n"


def test_each_form_of_output_is_for_somebody(todoke: Command, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = world.new(), world.new(requestedBy="ci\tbot\x1b]0;evil\x07\n")

    lines = todoke("jobs").out.splitlines()
    assert lines[0].split("\t") == [one["jobId"], "PENDING", "calendar", "2026-01-31T12:00:00+00:00", "", "", ""]
    assert lines[1].split("\t")[5] == "ci bot�]0;evil� "
    assert todoke("jobs", "-o", "id").out.split() == [one["jobId"], two["jobId"]]
    assert [json.loads(line) for line in todoke("jobs", "-o", "jsonl").out.splitlines()] == [one, two]
    assert json.loads(todoke("jobs", "-o", "json").out) == {"jobs": [one, two], "nextPageToken": None}
    assert "\x1b" not in todoke("jobs", "-o", "json").out
    assert json.loads(todoke("jobs", "-o", "jsonl", "--limit", "1", "--fields", "jobId,status").out) == {
        "jobId": one["jobId"], "status": "PENDING",
    }  # fmt: skip
    assert todoke("jobs", "--fields", "statsu").code == 2

    monkeypatch.setenv("TODOKE_FORCE_TTY", "1")
    monkeypatch.setenv("COLUMNS", "60")
    shown = todoke("jobs").out.splitlines()
    assert shown[0].startswith("ID  ")
    assert all(len(line) <= 60 for line in shown)


def test_all_jobs_come_page_by_page(todoke: Command, world: World) -> None:
    for _ in range(230):
        world.new()

    assert len(todoke("jobs").out.splitlines()) == 20
    assert len(todoke("jobs", "--limit", "150").out.splitlines()) == 150
    assert len(todoke("jobs", "--all", "-o", "id").out.splitlines()) == 230
    assert len(json.loads(todoke("jobs", "--all", "-o", "json").out)["jobs"]) == 230
    todoke("jobs", "--status", "failed,cancelled", "--type", "calendar")
    assert "status=FAILED&status=CANCELLED&reportType=calendar" in world.asked[-1][1]


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ({"type": "integer", "format": "int64"}, "integer"),
        ({"type": ["string", "number"], "pattern": "^x$"}, "decimal"),
        ({"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^x$"}, {"type": "null"}]}, "decimal"),
        ({"type": "string", "anyOf": [{"format": "date"}, {"pattern": "^x$"}]}, "date"),
        ({"type": "string", "anyOf": [{"format": "date-time"}, {"pattern": "^x$"}]}, "datetime"),
        ({"type": "array", "items": {"type": "string", "anyOf": [{"format": "date"}]}}, "list of date"),
        ({"type": "string", "enum": ["S", "M"]}, "one of S, M"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "boolean"),
        ({}, "any"),
    ],
)
def test_a_parameter_is_called_as_report_toml_calls_it(shape: dict[str, object], kind: str) -> None:
    assert kind_of(shape) == kind


def test_a_file_goes_under_a_name_into_a_pipe_or_nowhere(
    url: str, world: World, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    world.ends = ["SUCCESS"]
    job_id = world.new()["jobId"]
    assert run(["download", job_id, "--file", str(tmp_path / "mine.csv"), "-q"]) == 0
    assert (tmp_path / "mine.csv").read_bytes() == world.content
    capfdbinary.readouterr()
    assert run(["download", job_id, "calendar.csv", "--file", "-"]) == 0
    assert capfdbinary.readouterr() == (world.content, b"")

    (tmp_path / "calendar.csv").write_text("mine")
    assert run(["download", job_id, "-O", str(tmp_path)]) == 1
    assert b"exists and is another file" in capfdbinary.readouterr().err
    world.sent = world.content[:-1] + b"x"
    assert run(["download", job_id, "-O", str(tmp_path), "--force"]) == 1
    assert b"differs from the job's file" in capfdbinary.readouterr().err
    assert (tmp_path / "calendar.csv").read_text() == "mine"
    assert run(["download", job_id, "--file", "-"]) == 1
    assert run(["download", job_id, "nothing.pdf"]) == 5


def test_the_same_key_is_one_job_and_each_call_has_one_of_its_own(todoke: Command, world: World) -> None:
    ids = {todoke("submit", "calendar", "--idempotency-key", "nightly", "-o", "id").out for _ in range(3)}
    assert len(ids) == 1
    assert todoke("submit", "calendar", "-o", "id").out not in ids
    said = todoke("submit", "calendar", "-v").err
    assert "> POST " in said
    assert "Idempotency-Key: " in said


def test_a_person_sees_local_times_and_a_script_the_offset(
    todoke: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = world.new()["jobId"]
    assert todoke("jobs").out.split("\t")[3] == "2026-01-31T12:00:00+00:00"
    monkeypatch.setenv("TODOKE_FORCE_TTY", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert "  2026-01-31 21:00" in todoke("jobs").out.splitlines()[1]
        assert "  2026-01-31 21:00:00  " in todoke("events", job_id).out
    finally:
        monkeypatch.undo()
        time.tzset()

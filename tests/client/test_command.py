"""The command line, in this process: what it writes where, and how it ends."""

import io
import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.client.fake_api import World, serving
from todoke.cli import completion, exits
from todoke.cli.app import run
from todoke.cli.commands_types import kind_of
from todoke.cli.durations import seconds
from todoke.cli.exits import Exit, WrongCall, worst


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def url(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    with serving(world) as url:
        monkeypatch.setenv("TODOKE_URL", url)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield url


@pytest.fixture
def todoke(url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    def call(*arguments: str, stdin: str = "") -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = run(arguments)
        return Ran(code, *capsys.readouterr())

    return call


def test_a_report_is_asked_for_waited_for_and_downloaded(todoke: Command, world: World, tmp_path: Path) -> None:
    ran = todoke("submit", "calendar", "-p", "from=2026-01-31", "-f", "csv", "--wait", "-O", str(tmp_path / "out"))

    assert ran.code == 0
    assert ran.out == f"{tmp_path / 'out' / 'calendar.csv'}\n"
    assert (tmp_path / "out" / "calendar.csv").read_bytes() == world.content
    lines = ran.err.splitlines()
    assert [line.split("  ")[2] for line in lines[1:4]] == ["PENDING", "PROCESSING", "SUCCESS"]
    assert lines[4] == "calendar.csv: downloaded, 15 B, SHA-256 is right"
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
        (["submit", "calendar", "-p", "form=x"], "-p form: there is no such parameter; did you mean from?"),
        (["submit", "calendar", "-p", "zzz=x"], "there are from, least, share"),
        (["submit", "calendar", "-p", "least"], "write name=value"),
        (["submit", "calendar", "-p", "least=many"], "-p least=many: must be a number"),
        (["submit", "calendar", "-p", "exact=perhaps"], "must be true or false"),
        (["submit", "calendar", "-p", "least=1", "-p", "least=2"], "is given twice"),
        (["submit", "calendar", "-p", "least:=[1"], "must be JSON"),
        (["submit", "calendar", "-p", "from=@/no/such/file"], "the file cannot be read"),
        (["submit", "calendar", "--params", "/no/such/file"], "cannot be read as JSON"),
        (["submit", "calendar", "--wait=soon"], "--wait soon: write a time like 90s, 10m"),
        (["submit", "-O", "a", "--file", "b"], "--into and --file exclude each other"),
        (["submit", "--idempotency-key", "a b"], "1 to 255 visible ASCII characters"),
        (["show", "not-an-id"], "'not-an-id' is not the id of a job"),
        (["jobs", "--limit", "0"], "--limit"),
        (["jobs", "-o", "yaml"], "yaml"),
        (["jobs", "--url", "nowhere"], "'nowhere' is not the address of an API"),
        (["jobs", "--profile", "none"], "--profile none: there is no such profile; make one with `todoke login`"),
        (["help", "nothing"], "there are environment, exit-codes, output"),
        (["nothing"], "nothing"),
        (["download", "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10", "a", "b", "--file", "c"], "--file is for one file"),
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


def test_exit_codes_are_explained_and_each_is_used_once(todoke: Command) -> None:
    told = todoke("help", "exit-codes").out
    for code in Exit:
        assert f"{int(code):>4}  {code.meaning}" in told
    assert len({code.meaning for code in Exit}) == len(Exit)
    assert [int(code) for code in Exit] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 75, 130, 141]
    assert worst([Exit.DONE, Exit.TIME_OVER, Exit.JOB_FAILED]) is Exit.JOB_FAILED
    assert worst([Exit.JOB_FAILED, Exit.NOT_THERE]) is Exit.NOT_THERE
    assert exits.exit_of(OSError()) is Exit.FAILED_HERE


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


def test_one_job_is_looked_at_from_every_side(todoke: Command, world: World) -> None:
    world.ends = ["SUCCESS"]
    job_id = world.new()["jobId"]

    assert todoke("show", job_id).out.splitlines()[1].startswith("calendar.csv\tcsv\t1\t15 B\t")
    assert json.loads(todoke("show", job_id, "-o", "json").out)["result"]["seconds"] == 1.0
    assert todoke("events", job_id).out.split("\t")[2] == "submit"
    assert todoke("why", job_id).out == "behind_others\tIt waits behind 3 jobs.\n"
    assert json.loads(todoke("why", job_id, "-o", "json").out)["reasons"][0]["ahead"] == 3
    assert todoke("types").out == "calendar\t1\tcsv,zip\tCalendar\n"
    shown = todoke("types", "calendar").out.splitlines()
    assert shown[0] == "from\tdate\tyes\t\tFirst day"
    assert shown[1] == "least\tinteger\tno\t3\t"
    assert json.loads(todoke("types", "calendar", "-o", "json").out)["name"] == "calendar"
    made = todoke("retry", job_id, "-p", "least=4", "-o", "json")
    assert json.loads(made.out)["retryOf"] == job_id
    assert json.loads(world.asked[-1][3]) == {"parameters": {"least": 4}}


def test_several_jobs_are_asked_for_again_and_the_worst_is_told(todoke: Command, world: World, tmp_path: Path) -> None:
    olds = [world.new()["jobId"], "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10", world.new()["jobId"]]
    ran = todoke("retry", *olds, olds[0], "-p", "least=4", "-o", "id")
    assert ran.code == 5
    assert f"{olds[1]}: 404 unknown_job" in ran.err
    assert [world.jobs[new]["retryOf"] for new in ran.out.split()] == [olds[0], olds[2]]
    again = [body for _, path, _, body in world.asked if path.endswith(":retry")]
    assert [json.loads(body) for body in again] == [{"parameters": {"least": 4}}] * 2

    world.ends = ["SUCCESS"]
    ran = todoke("retry", olds[0], olds[2], "--into", str(tmp_path / "out"))
    new = [job for job in world.jobs if job not in [*olds, *ran.out.split()]][-2:]
    assert ran.code == 0, ran.err
    assert sorted(file.relative_to(tmp_path / "out") for file in (tmp_path / "out").glob("*/*")) == sorted(
        Path(job) / "calendar.csv" for job in new
    )

    world.ends = ["FAILED"]
    assert todoke("retry", *olds, "--wait").code == 5
    assert todoke("retry", olds[0], olds[2], "--wait").code == 3
    for option in ("--file=x.csv", "--idempotency-key=k"):
        ran = todoke("retry", olds[0], olds[2], option)
        assert (ran.code, "--file and --idempotency-key are for one job" in ran.err) == (2, True)
    assert len([path for path in world.posts() if path.endswith(":retry")]) == 8 + 1


def test_several_jobs_are_cancelled_and_the_worst_is_told(todoke: Command, world: World) -> None:
    ids = [world.new()["jobId"], "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10", world.new()["jobId"]]
    ran = todoke("cancel", *ids, "-o", "id")

    assert (ran.code, ran.out.split()) == (5, [ids[0], ids[2]])
    assert "404 unknown_job" in ran.err


def test_jobs_are_found_by_what_marks_them_and_erased(todoke: Command, world: World) -> None:
    made = todoke("submit", "calendar", "--label", "team=finance", "--label", "of=May", "-o", "id").out.strip()
    assert json.loads(world.asked[-1][3])["labels"] == {"team": "finance", "of": "May"}
    todoke("jobs", "--label", "team=finance", "--since", "24h", "--until", "2026-01-31T00:00:00Z", "--by", "ci")
    assert world.asked[-1][1].startswith(
        "/v1/jobs?label=team%3Afinance&createdAfter=-24h&createdBefore=2026-01-31T00%3A00%3A00Z&requester=ci"
    )
    assert todoke("submit", "--label", "finance").code == 2

    refused = todoke("delete", made)
    assert (refused.code, "--yes" in refused.err, made in world.jobs) == (2, True, True)
    assert todoke("delete", made, "--cancel", "--yes", "-o", "json").code == 0
    assert world.asked[-1][:2] == ("DELETE", f"/v1/jobs/{made}?cancel=true")
    assert made not in world.jobs


def test_many_are_asked_for_by_the_lines_of_a_file(todoke: Command, world: World, tmp_path: Path) -> None:
    file = tmp_path / "tonight.jsonl"
    lines = ['{"reportType": "calendar", "maxAttempts": 2, "idempotencyKey": "a"}', "", '{"reportType": "none"}']
    file.write_text("\n".join(lines))
    ran = todoke("submit-many", str(file), "-o", "id")

    assert (ran.code, ran.out.split()) == (5, list(world.jobs))
    assert "request 2: 404 unknown_report_type" in ran.err
    assert json.loads(world.asked[-1][3])["jobs"][0] == json.loads(lines[0])
    for wrong, told in (("{", "line 1 is not JSON"), ("[]", "must be an object"), ('{"x": 1}', "'x' is not a field")):
        refused = todoke("submit-many", "-", stdin=wrong)
        assert (refused.code, told in refused.err) == (2, True)
    assert todoke("submit-many", str(tmp_path / "none")).code == 2


def test_the_choices_of_a_parameter_are_shown(todoke: Command, world: World) -> None:
    ran = todoke("types", "calendar", "--choices", "from", "-p", "least=5")
    assert (ran.code, ran.out, "more than these" in ran.err) == (0, "2026-01-31\tA Saturday\n", True)
    assert todoke("types", "--choices", "from").code == 2
    assert todoke("types", "calendar", "--choices", "from", "-p", "least").code == 2


def test_how_the_answer_is_to_look_is_said_by_options(todoke: Command, world: World) -> None:
    options = ["--time-zone", "Asia/Tokyo", "--locale", "ja", "--columns", "a,b", "--columns", "c", "--sort=-a,b",
               "--limit", "5", "--csv", "delimiter=;", "--csv", "decimal-mark=,", "--csv", "gzip=true"]  # fmt: skip
    shape = {
        "timeZone": "Asia/Tokyo", "locale": "ja", "columns": ["a", "b", "c"], "sort": ["-a", "b"], "limit": 5,
        "csv": {"delimiter": ";", "decimalMark": ",", "gzip": True},
    }  # fmt: skip
    assert todoke("submit", "calendar", *options).code == 0
    assert json.loads(world.asked[-1][3]) == {"reportType": "calendar", **shape}
    assert todoke("estimate", "calendar", *options).code == 0
    assert json.loads(world.asked[-1][3]) == {"reportType": "calendar", **shape}
    ran = todoke("submit", "calendar", "--csv", "gzip")
    assert (ran.code, "write NAME=VALUE" in ran.err) == (2, True)


def test_an_estimate_is_data_and_its_warnings_are_talk(todoke: Command, world: World) -> None:
    ran = todoke("estimate", "calendar", "-p", "least=4", "-f", "csv")
    assert (ran.out, ran.err) == ("calendar\t\t\t14.2\t27.0\n", "source_busy: Ask again.\n")
    assert json.loads(world.asked[-1][3]) == {
        "reportType": "calendar", "parameters": {"least": 4}, "formats": ["csv"],
    }  # fmt: skip
    assert world.jobs == {}


def test_jobs_are_kept(todoke: Command, world: World) -> None:
    world.ends = ["SUCCESS"]
    ids = [world.new()["jobId"] for _ in range(2)]
    assert todoke("keep", *ids, "--until", "2027-06-30T00:00:00Z", "-o", "id").out.split() == ids
    assert json.loads(world.asked[-1][3]) == {"keptUntil": "2027-06-30T00:00:00Z"}


def test_an_operator_pauses_and_caps(todoke: Command, world: World) -> None:
    paused = todoke("admin", "pause", "report-type", "calendar", "--reason", "wrong", "--until", "2027-01-31T00:00:00Z")
    assert (paused.code, paused.out.split("\t")[:3]) == (0, ["report_type", "calendar", "wrong"]), paused.err
    method, path, _, body = world.asked[-1]
    assert (method, path) == ("POST", "/v1/gates/report_type/calendar:pause")
    assert json.loads(body) == {"reason": "wrong", "until": "2027-01-31T00:00:00Z"}
    assert todoke("admin", "pause", "tenant", "acme", "--reason", "x", "--for", "2h").code == 0
    assert "until" in json.loads(world.asked[-1][3])
    assert todoke("admin", "resume", "tenant", "acme").code == 0
    assert todoke("admin", "cap", "tenant", "acme", "--running", "4").code == 0
    assert (world.asked[-1][:2], json.loads(world.asked[-1][3])) == (
        ("PUT", "/v1/gates/tenant/acme/cap"), {"mostRunning": 4},
    )  # fmt: skip
    assert todoke("admin", "cap", "tenant", "acme", "--unfinished", "1000").code == 0
    assert (world.asked[-1][:2], json.loads(world.asked[-1][3])) == (
        ("PUT", "/v1/gates/tenant/acme/queue-cap"), {"mostUnfinished": 1000},
    )  # fmt: skip
    assert "has no cap" in todoke("admin", "uncap", "tenant", "acme").err
    assert todoke("admin", "gates", "--kind", "report-type", "-o", "id").out == "calendar\n"
    for wrong in (
        ["pause", "queue", "x", "--reason", "y"], ["pause", "tenant", "acme"], ["cap", "tenant", "acme"],
        ["cap", "tenant", "acme", "--running", "0"], ["cap", "source", "warehouse", "--unfinished", "5"],
        ["pause", "tenant", "acme", "--reason", "x", "--for", "1h", "--until", "2027-01-31T00:00:00Z"],
    ):  # fmt: skip
        assert todoke("admin", *wrong).code == 2


def test_keys_are_made_and_shown_once(todoke: Command, world: World) -> None:
    assert todoke("me").out == "acme\tci\tkey\t\tjobs:read\n"
    made = todoke("keys", "create", "ci", "--scope", "jobs:read,jobs:create", "--expires", "2027-01-31T00:00:00Z")
    assert (made.out, "not shown again" in made.err) == ("todoke_secret\n", True)
    assert json.loads(world.asked[-1][3]) == {
        "name": "ci", "scopes": ["jobs:read", "jobs:create"], "expiresAt": "2027-01-31T00:00:00Z",
    }  # fmt: skip
    again = todoke("keys", "rotate", "k1", "--overlap", "1h")
    assert (again.out, "shown then" in again.err) == ("", True)
    assert json.loads(world.asked[-1][3]) == {"overlapSeconds": 3600}
    assert todoke("keys", "list", "-o", "id").out == "k1\n"
    assert todoke("keys", "create", "ci").code == 2
    assert todoke("audit", "--limit", "1").out.split("\t")[2] == "key.create"


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
    assert b"is not what the job made" in capfdbinary.readouterr().err
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


def test_a_profile_is_kept_for_its_owner_and_used(
    todoke: Command, world: World, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.key = "todoke_0123456789abcdef"
    monkeypatch.delenv("TODOKE_URL")
    assert todoke("login", "--at", url, stdin="wrong\n").code == 4
    assert todoke("profile", "list").err == "there is no profile: make one with `todoke login`\n"
    assert todoke("login", "--at", url, "--as", "production", stdin=f"{world.key}\n").code == 0
    file = tmp_path / "config" / "todoke" / "config.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert todoke("types").code == 0
    shown = todoke("profile", "show")
    assert shown.out == f"*\tproduction\t{url}\t…cdef\n"
    assert world.key not in str(todoke("types", "-v"))

    assert todoke("login", "--at", "http://127.0.0.1:9", "--no-check", stdin="\n").code == 0
    assert todoke("types").code == 1
    assert todoke("types", "--profile", "production").code == 0
    assert todoke("profile", "use", "production").code == 0
    assert todoke("profile", "list", "-o", "id").out.split() == ["default", "production"]
    assert todoke("logout", "--as", "production").code == 0
    assert todoke("types").code == 4
    assert todoke("profile", "use", "nobody").code == 2
    file.chmod(0o640)
    assert f"chmod 600 {file}" in todoke("types").err


def test_a_profiles_key_goes_to_its_own_address_alone(
    todoke: Command, world: World, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TODOKE_URL")
    todoke("login", "--at", "http://127.0.0.1:9", "--no-check", stdin="canary-key\n")
    todoke("types", "--url", url)
    assert "Authorization" not in world.asked[-1][2]
    monkeypatch.setenv("TODOKE_API_KEY", "of-the-environment")
    todoke("types", "--url", url)
    assert world.asked[-1][2]["Authorization"] == "Bearer of-the-environment"


def test_a_password_manager_tells_the_key(
    todoke: Command, world: World, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TODOKE_URL")
    file = tmp_path / "config" / "todoke" / "config.toml"
    file.parent.mkdir(parents=True)
    for command, code in (("echo secret-of-pass", 0), ("false", 2), ("/no/such/program", 2)):
        file.write_text(f'[profiles.default]\nurl = "{url}"\napi_key_command = "{command}"\n')
        file.chmod(0o600)
        assert todoke("types").code == code
    assert world.asked[-1][2]["Authorization"] == "Bearer secret-of-pass"
    for broken in ("[", "profiles = 1", "[profiles.default]\nurl = 1"):
        file.write_text(broken)
        assert todoke("types").code == 2


def test_whoever_names_no_command_is_shown_all_in_a_line_each(todoke: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = todoke()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Usage: todoke ")
    for more in ([], ["admin"], ["bulk"], ["schedules"], ["keys"], ["profile"], ["admin", "parked"]):
        shown = todoke(*more, "--help").out
        assert "..." not in shown.partition("Commands:")[2]
        assert all(
            re.match(r"  [a-z-]+  +\S", line)
            for line in shown.partition("Commands:\n")[2].split("\n\n")[0].splitlines()
        )


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


def test_versions_and_topics_are_shown(todoke: Command, url: str) -> None:
    assert todoke("--version").out.splitlines() == ["todoke 0.1.0", f"server 9.9.9 at {url}"]
    assert "TODOKE_API_KEY" in todoke("help", "environment").out
    assert "jsonl" in todoke("help", "output").out
    assert todoke("help").code == 0


def test_every_command_has_examples_that_its_parser_takes(todoke: Command) -> None:
    import shlex

    from typer.main import get_command

    from todoke.cli.app import application

    whole = get_command(application())
    found = 0
    for name in whole.commands:  # type: ignore[attr-defined]
        shown = todoke(name, "--help").out
        assert shown.splitlines()[2].strip(), f"{name} says what it does"
        for line in shown.splitlines():
            parts = [part for part in line.split("|") if part.strip().startswith("todoke ")]
            for part in parts if "$(" not in line else []:
                words = shlex.split(part.partition("| ")[0])
                found += 1
                called = whole.commands[words[1]]  # type: ignore[attr-defined]
                if words[1] not in {"profile", "keys", "admin"}:
                    arguments = ["--wait=" if word == "--wait" else word for word in words[2:]]
                    called.make_context(name, arguments)
    assert found > 25


def test_completion_is_quick_or_silent(url: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = world.new()["jobId"]
    assert completion.types("cal") == ["calendar"]
    assert completion.ids("") == [job_id]
    assert completion.parameters(["submit", "calendar"], "l") == ["least="]
    assert (completion.states("f"), completion.states("F")) == (["failed"], ["FAILED"])
    before = len(world.asked)
    completion.types("")
    assert len(world.asked) == before, "for a minute it is known"
    monkeypatch.setenv("TODOKE_URL", "http://127.0.0.1:9")
    assert completion.types("") == []


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("1.5", 1.5), ("10m", 600), ("1h30m", 5400), ("2d", 172_800)])
def test_times_are_read_as_people_write_them(text: str, value: float) -> None:
    assert seconds(text, "--wait") == value
    with pytest.raises(WrongCall, match="--wait"):
        seconds(f"{text} x", "--wait")


def loaded_by(*words: str) -> list[str]:
    """The modules that are there after a command."""
    code = f"import sys; from todoke.cli.app import run; run({list(words)}); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": "client"}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return shown.stdout.splitlines()[-1].split()


def test_help_loads_no_http_client() -> None:
    loaded = loaded_by("submit", "--help")
    assert {name.partition(".")[0] for name in loaded} & {"httpx2", "anyio", "asyncio", "ssl", "rich"} == set()
    assert len(loaded) < 330, "each module is time at every start"


def test_plain_values_are_read_without_the_parsers_library() -> None:
    """typer makes each value what it should be by pydantic, which takes longer to load than a command takes."""
    loaded = loaded_by("types", "--choices", "least", "-p", "a=b", "-o", "json", "-q")
    assert {name.partition(".")[0] for name in loaded} & {"pydantic", "pydantic_core", "rich"} == set()


@pytest.mark.parametrize(("name", "means"), [("dlq", "dead-letters"), ("outbox", "parked")])
def test_the_names_of_the_operators_own_command_are_understood(
    name: str, means: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["admin", name, "list", "--help"]) == 0
    assert f"Usage: todoke admin {means} list" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("jobs", "--limit", "0"), "greater than or equal to 1"),
        (("jobs", "--limit", "many"), "valid integer"),
        (("jobs", "-o", "yaml"), "'yaml' is not one of"),
        (("jobs", "-o"), "requires an argument"),
        (("show",), "Missing argument"),
    ],
)
def test_values_that_are_not_plain_go_the_parsers_own_way(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert told in capsys.readouterr().err


def test_a_password_comes_from_a_file_a_pipe_or_a_prompt_and_never_stands_on_the_command_line(
    todoke: Command, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent() -> object:
        return json.loads([one for one in world.asked if one[0] == "POST"][-1][3]).get("password", "-")

    file = tmp_path / "password"
    file.write_text("パスワード 1\nnot this line\n")
    assert todoke("submit", "calendar", "--password-file", str(file)).code == 0
    assert sent() == "パスワード 1"
    assert todoke("submit", "calendar", "--password-file", "-", stdin=" spaces stay \n").code == 0
    assert sent() == " spaces stay "

    typed = iter(["hush-hush", "hush-hush", "hush-hush", "hush-hash"])
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    monkeypatch.setattr("todoke.cli.passwords.is_terminal", lambda _: True)
    ran = todoke("submit", "calendar", "--password-file", "-")
    assert (ran.code, sent()) == (0, "hush-hush")
    assert "hush" not in ran.out + ran.err
    assert todoke("submit", "calendar", "--password-file", "-").code == Exit.WRONG_CALL

    world.asked.clear()
    for wrong in (["--password-file", str(tmp_path / "none")], ["--password-file", os.devnull],
                  ["--password-file", "-", "--params", "-"]):  # fmt: skip
        assert todoke("submit", "calendar", *wrong).code == Exit.WRONG_CALL
    assert not world.asked


def test_a_retry_may_give_up_the_password(todoke: Command, world: World, tmp_path: Path) -> None:
    job_id = todoke("submit", "calendar", "-o", "id").out.strip()
    assert todoke("retry", job_id, "--no-password").code == 0
    assert json.loads([one for one in world.asked if one[0] == "POST"][-1][3]) == {"password": None}
    (tmp_path / "p").write_text("hush-hush")
    assert todoke("retry", job_id, "--no-password", "--password-file", str(tmp_path / "p")).code == Exit.WRONG_CALL

"""Commands about jobs, gates and keys, in this process."""

import json
import os
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.client.command import Command, todoke, url, world
from tests.client.fake_api import World
from todoke.cli.exits import Exit
from todoke.jobs import Jobs
from todoke.models import Job

__all__ = ["todoke", "url", "world"]  # fixtures


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
        assert (ran.code, "--file and --idempotency-key work with one job only" in ran.err) == (2, True)
    assert len([path for path in world.posts() if path.endswith(":retry")]) == 8 + 1


def test_a_great_many_jobs_are_watched_some_at_a_time(
    todoke: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("todoke.cli.following._AT_ONCE", 3)
    ids = [world.new()["jobId"] for _ in range(9)]
    most, lock, of_the_client = [0, 0], threading.Lock(), Jobs.wait

    def waiting(jobs: Jobs, job: str, **given: Any) -> Job:
        with lock:
            most[0] += 1
            most[1] = max(most)
        try:
            return of_the_client(jobs, job, **given)
        finally:
            with lock:
                most[0] -= 1

    monkeypatch.setattr(Jobs, "wait", waiting)
    ran = todoke("watch", *ids, "-o", "id")
    assert (ran.code, sorted(ran.out.split()), most) == (0, sorted(ids), [0, 3])
    assert todoke("watch", *ids, "--timeout", "1s").code == 0

    world.ends = ["PENDING"]
    late = [world.new()["jobId"] for _ in range(4)]
    assert todoke("watch", *late, "--timeout", "1s").code == Exit.TIME_OVER


def test_what_goes_wrong_while_jobs_are_watched_ends_the_watch(
    todoke: Command, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = todoke("watch", "nonsense", world.new()["jobId"], "-o", "id")
    assert (ran.code, len(ran.out.split())) == (Exit.WRONG_CALL, 1)
    assert "'nonsense' is not the id of a job" in ran.err

    monkeypatch.setattr(Jobs, "wait", mock.Mock(side_effect=OSError("no more descriptors")))
    ran = todoke("watch", world.new()["jobId"])
    assert (ran.code, ran.err) == (Exit.FAILED_HERE, "todoke: no more descriptors\n")


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
    assert (ran.code, ran.out, "there are more choices" in ran.err) == (0, "2026-01-31\tA Saturday\n", True)
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
    assert "cap of tenant acme removed" in todoke("admin", "uncap", "tenant", "acme").err
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

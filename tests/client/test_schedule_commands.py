"""`todoke schedules`: what is sent, and what is written, with an API in this process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.client.command import Command, todoke, world
from tests.client.fake_api import Handler, World
from tests.client.samples import JOB_ID
from tests.support.http_server import LoopbackServer

__all__ = ["todoke", "world"]  # fixtures

SCHEDULE: dict[str, Any] = {
    "scheduleId": JOB_ID, "name": "Mondays", "reportType": "calendar", "state": "active", "cron": "0 7 * * MON",
    "timeZone": "Asia/Tokyo", "words": {"en": "at 07:00 on Mondays", "ja": "毎週月曜日の07:00"}, "owner": "ci",
    "parameters": {"from": "start_of_last_month", "least": 4}, "version": 2, "stopReason": None, "pauseNote": None,
    "coming": [
        {"tick": "2026-01-04T22:00:00Z", "local": "2026-01-05T07:00:00+09:00", "remark": None},
        {"tick": "2026-01-11T22:00:00Z", "local": "2026-01-12T07:00:00+09:00", "remark": "moved"},
    ],
}  # fmt: skip
TICK = {
    "tick": "2026-01-04T22:00:00.000000+00:00", "cause": "due", "fate": "skipped", "reason": "overlap",
    "detail": None, "jobId": None, "since": None, "at": "2026-01-04T22:00:01.000000+00:00",
}  # fmt: skip


class Schedules(Handler):
    """Serves schedules beside the rest."""

    def do_PATCH(self) -> None:
        self._do("PATCH")

    def _rest(self, method: str) -> None:
        path = urlsplit(self.path).path
        if not path.startswith("/v1/schedules"):
            super()._rest(method)
        elif path == "/v1/schedules" and method == "GET":
            self._json(200, {"schedules": [SCHEDULE], "nextPageToken": None})
        elif path == "/v1/schedules:preview":
            self._json(200, {name: value for name, value in SCHEDULE.items() if name not in {"scheduleId", "state"}})
        elif path.endswith(":run"):
            self._json(202, {"jobId": self.world.new()["jobId"], "links": {}})
        elif path.endswith(":backfill"):
            self._json(202, {"ticks": 5, "links": {}})
        elif path.endswith("/ticks"):
            self._json(200, {"ticks": [TICK], "nextPageToken": None})
        elif method == "DELETE":
            self.answer(204)
        else:
            self._json(201 if path == "/v1/schedules" else 200, SCHEDULE, {"ETag": '"2"'})


@pytest.fixture
def url(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    with LoopbackServer(type("Served", (Schedules,), {"world": world}), 0) as server:
        monkeypatch.setenv("TODOKE_URL", server.url)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        yield server.url


def sent(world: World) -> tuple[str, str, Any]:
    """The last request: its method, its path below /v1/schedules, its body."""
    method, path, _, body = world.asked[-1]
    return method, path.removeprefix("/v1/schedules"), json.loads(body) if body else None


def test_a_schedule_is_made_of_typed_parameters_and_policies(todoke: Command, world: World) -> None:
    ran = todoke(
        "schedules", "create", "Mondays", "calendar", "-p", "from=start_of_last_month", "-p", "least=4", "-f", "csv",
        "--cron", "0 7 * * MON", "--zone", "Asia/Tokyo", "--until", "2027-01-31T00:00:00Z", "--jitter", "5m",
        "--misfire", "run_all:5", "--overlap", "queue", "--label", "team=finance", "--keep-files", "7d",
        "--columns", "day", "--idempotency-key", "k1", "-o", "id",
    )  # fmt: skip

    assert (ran.code, ran.out) == (0, f"{JOB_ID}\n")
    assert sent(world) == ("POST", "", {
        "name": "Mondays", "reportType": "calendar", "parameters": {"from": "start_of_last_month", "least": 4},
        "formats": ["csv"], "cron": "0 7 * * MON", "timeZone": "Asia/Tokyo", "until": "2027-01-31T00:00:00Z",
        "jitterSeconds": 300, "misfire": "run_all", "misfireMost": 5, "overlap": "queue",
        "labels": {"team": "finance"}, "keepFilesSeconds": 604_800, "columns": ["day"],
    })  # fmt: skip
    assert world.asked[-1][2]["Idempotency-Key"] == "k1"


def test_a_change_sends_what_is_named_and_keeps_the_other_parameters(todoke: Command, world: World) -> None:
    assert todoke("schedules", "update", JOB_ID, "--every", "2h", "--until", "", "--misfire", "skip").code == 0
    assert sent(world) == (
        "PATCH", f"/{JOB_ID}", {"everySeconds": 7200, "until": None, "misfire": "skip", "misfireMost": None},
    )  # fmt: skip

    assert todoke("schedules", "update", JOB_ID, "-p", "least:=null", "-p", "share=0.5", "--name", "B").code == 0
    assert sent(world)[2] == {"name": "B", "parameters": {"from": "start_of_last_month", "share": 0.5}}
    assert world.asked[-1][2]["If-Match"] == '"2"', "of the one whose parameters were read"


def test_the_next_ticks_are_told_in_words_and_nothing_is_made(todoke: Command, world: World) -> None:
    ran = todoke("schedules", "next", "calendar", "--cron", "0 7 * * MON", "--zone", "Asia/Tokyo")

    assert ran.err == "at 07:00 on Mondays (Asia/Tokyo)\n"
    assert ran.out.splitlines() == [
        "2026-01-05T07:00:00+09:00\t2026-01-04T22:00:00Z\t",
        "2026-01-12T07:00:00+09:00\t2026-01-11T22:00:00Z\tthe clocks skip the time that was named",
    ]
    assert world.posts() == ["/v1/schedules:preview"]
    assert todoke("schedules", "next", "-o", "id").out.splitlines() == [one["tick"] for one in SCHEDULE["coming"]]
    assert json.loads(todoke("schedules", "next", "-o", "json").out)["words"]["ja"] == "毎週月曜日の07:00"


def test_schedules_are_listed_and_shown(todoke: Command) -> None:
    line = f"{JOB_ID}\tMondays\tcalendar\tactive\tat 07:00 on Mondays\tAsia/Tokyo\t2026-01-05T07:00:00+09:00\tci"
    assert todoke("schedules", "list").out == f"{line}\n"
    assert json.loads(todoke("schedules", "list", "--all", "-o", "json").out)["schedules"] == [SCHEDULE]
    assert todoke("schedules", "show", JOB_ID).out.splitlines()[0] == line
    assert len(todoke("schedules", "show", JOB_ID).out.splitlines()) == 3
    assert todoke("schedules", "show", JOB_ID, "-o", "id").out == f"{JOB_ID}\n"


def test_what_became_of_ticks_is_listed_with_the_reason(todoke: Command) -> None:
    assert todoke("schedules", "ticks", JOB_ID).out == "2026-01-04T22:00:00+00:00\tdue\tskipped\toverlap\t\t\n"
    assert json.loads(todoke("schedules", "ticks", JOB_ID, "-o", "jsonl").out) == TICK


def test_a_schedule_is_paused_resumed_filled_up_and_deleted(todoke: Command, world: World) -> None:
    assert todoke("schedules", "pause", JOB_ID, "--note", "it moves").code == 0
    assert sent(world) == ("POST", f"/{JOB_ID}:pause", {"note": "it moves"})
    assert todoke("schedules", "resume", JOB_ID).code == 0
    assert sent(world)[1] == f"/{JOB_ID}:resume"
    filled = todoke("schedules", "backfill", JOB_ID, "--from", "2026-01-01T00:00Z", "--to", "2026-02-01T00:00Z")
    assert (filled.out, sent(world)[2]) == ("5\n", {"from": "2026-01-01T00:00Z", "to": "2026-02-01T00:00Z"})
    assert todoke("schedules", "delete", JOB_ID, "--yes").code == 0
    assert sent(world)[:2] == ("DELETE", f"/{JOB_ID}")


def test_a_run_may_be_waited_for_and_ends_as_its_job_ends(todoke: Command, world: World, tmp_path: Path) -> None:
    assert todoke("schedules", "run", JOB_ID, "-o", "id").out.strip() in world.jobs
    ran = todoke("schedules", "run", JOB_ID, "--wait", "-O", str(tmp_path / "out"))
    assert (ran.code, ran.out) == (0, f"{tmp_path / 'out' / 'calendar.csv'}\n")
    world.ends = ["FAILED"]
    assert todoke("schedules", "run", JOB_ID, "--wait=1m").code == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "Mondays", "calendar", "-p", "form=x"], "did you mean from?"),
        (["create", "Mondays", "--every", "soon"], "--every soon: not a duration; use one such as 90s"),
        (["create", "Mondays", "--misfire", "run_all:many"], "write how many, such as run_all:5"),
        (["update", JOB_ID], "nothing to change: give"),
        (["delete", JOB_ID], "pass --yes when there is no terminal"),
        (["show", "Mondays"], "'Mondays' is not the id of a schedule"),
        (["run", JOB_ID, "-O", "a", "--file", "b"], "use either --into or --file, not both"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_is_told_and_changes_nothing(
    arguments: list[str], told: str, todoke: Command, world: World
) -> None:
    ran = todoke("schedules", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert {method for method, *_ in world.asked} <= {"GET"}


@pytest.mark.parametrize(("status", "code"), [(403, 4), (404, 5), (409, 6), (422, 6), (503, 75)])
def test_what_the_server_refuses_has_its_exit_code(status: int, code: int, todoke: Command, world: World) -> None:
    world.problem = (status, "so_it_is")
    assert todoke("schedules", "run", JOB_ID).code == code


def test_jobs_of_a_schedule_are_listed(todoke: Command, world: World) -> None:
    assert todoke("jobs", "--schedule", JOB_ID).code == 0
    assert f"schedule={JOB_ID}" in world.asked[-1][1]

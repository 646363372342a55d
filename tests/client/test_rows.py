"""Previews before a download: the client's methods, and the command."""

import json

import httpx2
import pytest

from tests.client.command import Command, todoke, url, world
from tests.client.conftest import Make
from tests.client.fake_api import World
from tests.client.samples import JOB_ID
from todoke.errors import UnexpectedAnswer

__all__ = ["todoke", "url", "world"]  # fixtures

COLUMNS = [{"name": "who", "title": "Carrier\x1b[31m", "type": "text"}, {"name": "n", "title": "", "type": "bigint"}]
ROWS = [{"who": "AA\t\x1b[31m\n", "n": "9007199254740993"}, {"who": None, "n": "-1"}]
PNG = b"\x89PNG\r\n\x1a\n and so on"


def page(first: int, last: int, of: int, *, next_after: int | None) -> dict[str, object]:
    rows = [{"who": "AA", "n": str(n)} for n in range(first, last)]
    return {"columns": COLUMNS, "rows": rows, "storedRows": of, "totalRows": of, "truncated": False,
            "nextAfter": next_after}  # fmt: skip


def test_all_rows_come_page_by_page(make: Make) -> None:
    asked: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url.query, "ascii"))
        second = "after=2" in asked[-1]
        return httpx2.Response(200, json=page(2, 3, 3, next_after=None) if second else page(0, 2, 3, next_after=2))

    rows = list(make(handler=handler).jobs.iter_rows(JOB_ID))

    assert [row["n"] for row in rows] == ["0", "1", "2"]
    assert asked == ["pageSize=1000", "pageSize=1000&after=2"]


def test_a_server_that_goes_in_circles_is_left(make: Make) -> None:
    client = make(handler=lambda _: httpx2.Response(200, json=page(0, 2, 3, next_after=2)))
    with pytest.raises(UnexpectedAnswer, match="the same page token"):
        list(client.jobs.iter_rows(JOB_ID))


def test_a_picture_is_a_picture_or_nothing(make: Make) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == f"/v1/jobs/{JOB_ID}/page.png"
        return httpx2.Response(200, content=answers.pop(0))

    answers = [PNG, b"<html>"]
    client = make(handler=handler)

    assert client.jobs.first_page(JOB_ID) == PNG
    with pytest.raises(UnexpectedAnswer, match="not a PNG"):
        client.jobs.first_page(JOB_ID)


def test_rows_are_shown_in_each_form(todoke: Command, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = world.new()["jobId"]
    world.rows = {"columns": COLUMNS, "rows": ROWS, "storedRows": 1000, "totalRows": 336_776, "truncated": True,
                  "nextAfter": 2}  # fmt: skip

    ran = todoke("rows", job_id, "--limit", "2")
    assert ran.out.splitlines() == ["AA \ufffd[31m \t9007199254740993", "\t-1"]
    assert ran.err == "the first 2 of 336,776 rows, of which 1,000 are kept: download a file for all\n"
    assert world.asked[-1][1].endswith(f"{job_id}/rows?pageSize=2")
    assert json.loads(todoke("rows", job_id, "-o", "json").out) == world.rows
    assert [json.loads(line) for line in todoke("rows", job_id, "-o", "jsonl").out.splitlines()] == ROWS
    assert todoke("rows", job_id, "--fields", "n").out.splitlines() == ["9007199254740993", "-1"]
    assert todoke("rows", job_id, "-o", "id").code == 2
    assert todoke("rows", job_id, "--limit", "1001").code == 2

    monkeypatch.setenv("TODOKE_FORCE_TTY", "1")
    monkeypatch.setenv("COLUMNS", "60")
    lines = todoke("rows", job_id, "-q").out.splitlines()
    assert lines[0].endswith("               n")
    assert lines[2].endswith("              -1")
    assert "\x1b" not in "".join(lines)

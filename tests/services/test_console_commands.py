"""What a page of the console shows, as a command that asks the API for the same."""

import shlex
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from services.api.console import as_command
from services.api.console.list_query import FILTERS
from tests.client.fake_api import World, serving
from todoke.cli.app import run

_GIVEN = {
    "createdAfter": "2026-01-30T00:00:00Z", "createdBefore": "2026-01-31T00:00:00Z", "status": "FAILED",
    "reportType": "a b", "label": "team:finance's", "requester": "ann", "errorCode": "timeout", "retryOf": "1",
    "bulk": "2", "schedule": "3", "tookAtLeast": "30s",
}  # fmt: skip


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    with serving(world) as url:
        monkeypatch.setenv("TODOKE_URL", url)
        yield world


@pytest.mark.parametrize("name", _GIVEN)
def test_the_command_of_a_list_asks_for_its_filters(world: World, name: str) -> None:
    [command] = as_command.list_jobs([(name, _GIVEN[name])], size=25)
    program, *arguments = shlex.split(command)

    assert (program, run(arguments)) == ("todoke", 0)
    assert parse_qs(urlsplit(world.asked[-1][1]).query)[name] == [_GIVEN[name]]


def test_a_filter_that_the_command_line_lacks_has_no_command() -> None:
    assert set(FILTERS) - set(_GIVEN) == {"id"}
    assert as_command.list_jobs([("id", "019acb2e")], size=25) == []


def test_a_job_with_files_is_shown_fetched_and_verified() -> None:
    commands = as_command.of_job("019acb2e-7c41-7e02-9a51-0e5b1a6c7f10", ["it's a report.pdf"])

    assert [shlex.split(command)[1] for command in commands] == ["show", "events", "download", "verify"]
    assert shlex.split(commands[-1])[-1] == "it's a report.pdf"

"""Runs the command line in this process, against a fake API.

Who imports the fixture `todoke` imports `url` and `world`, too.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.client.fake_api import World, serving
from todoke.cli.app import run


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

"""The operator's command on a terminal, and with a closed reader."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli import __main__ as command
from services.cli import terminal

ROOT = Path(__file__).parents[2]


def on_a_terminal(*arguments: str, **env: str) -> str:
    """Run the command with a pseudo-terminal for its stdout. Returns what that shows."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", **env}
    ran = subprocess.Popen(
        [sys.executable, "-m", "services.cli", *arguments], cwd=ROOT, env=environment, stdout=theirs,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # Linux's end of a terminal
        pass
    ran.communicate(timeout=60)
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_colours_unless_it_asks_for_none(more: dict[str, str], coloured: bool) -> None:
    shown = on_a_terminal("doctor", "--for", "api", "--timeout", "60", **more)
    assert "fail\x1b[0m  database" in shown if coloured else "fail  database" in shown
    assert ("\x1b" in shown) == coloured


@pytest.mark.parametrize(
    ("isatty", "environment", "colours", "moves"),
    [
        (True, {}, True, True),
        (False, {}, False, False),
        (False, {"CLICOLOR_FORCE": "1"}, True, False),
        (True, {"CLICOLOR_FORCE": "0"}, True, True),
        (True, {"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, False, True),
        (True, {"TERM": "dumb"}, False, False),
    ],
)
def test_what_a_stream_takes(
    isatty: bool, environment: dict[str, str], colours: bool, moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    stream.isatty = lambda: isatty  # type: ignore[method-assign]

    assert (terminal.takes_colours(stream), terminal.moves_the_cursor(stream)) == (colours, moves)


def test_a_reader_that_has_gone_ends_the_command_silently(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(
        [sys.executable, "-m", "services.cli", "new", "late-flights", "--catalog", str(tmp_path)], cwd=ROOT,
        stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(write)
    assert (ran.returncode, "Traceback" in ran.stderr, "BrokenPipe" in ran.stderr) == (141, False, False)


def test_ctrl_c_ends_a_command_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_load", lambda _: interrupted)
    assert command.main(["outbox", "parked"]) == 130

"""What real shells propose on Tab: bash in detail, zsh and fish where they are installed."""

import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import shellingham

from tests.client.fake_api import World, serving
from tests.client.terminal import Terminal
from tests.support.debian import tool
from tests.support.eventually import eventually
from tests.support.installed import ROOT
from todoke.cli.app import run
from todoke.cli.exits import Exit

_PROMPT = "ask> "
_PATIENCE_S = 4.0
"""Until Tab is pressed again: each press starts a process, and bash forgets none."""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def home(world: World, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of somebody who has `todoke` and an API; HOME is empty."""
    command = tmp_path / "bin" / "todoke"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m todoke.cli "$@"\n')
    command.chmod(0o755)
    with serving(world) as url:
        yield {
            "PATH": f"{command.parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT / "client"), "HOME": str(tmp_path),
            "TERM": "dumb", "PS1": _PROMPT, "TODOKE_URL": url,
        }  # fmt: skip


@pytest.fixture
def bash(home: dict[str, str], tmp_path: Path) -> Iterator[Terminal]:
    """An interactive bash that has `todoke`, and what `todoke --install-completion` wrote for it."""
    program = shutil.which("bash")
    assert program is not None
    environment = {**home, "SHELL": program}
    # Not as its last command, or bash would become it, and it would look for its shell in vain.
    install = Terminal([program, "-c", "todoke --install-completion; exit $?"], environment)
    assert install.end() == 0, install.shown
    rc = tmp_path / ".bashrc"
    rc.write_text(f"PS1={_PROMPT!r}\nbind 'set bell-style none'\nbind 'set page-completions off'\n{rc.read_text()}")
    shell = Terminal([program, "--noprofile", "--rcfile", str(rc), "-i"], environment)
    shell.until(re.escape(_PROMPT))
    yield shell
    shell.leave(b"\x15exit\n")


def proposed(bash: Terminal, line: str, pattern: str, *, clear: bytes = b"\x15") -> None:
    """Type it and press Tab until the pattern is shown. A server that is slower than the budget is asked once more."""
    at, pressed_at = len(bash.read()), 0.0
    bash.type(line.encode())

    def look() -> object:
        nonlocal pressed_at
        if time.monotonic() - pressed_at > _PATIENCE_S:
            bash.type(b"\t")
            pressed_at = time.monotonic()
        return re.search(pattern, bash.read()[at:])

    eventually(look, within_s=90, what=f"Tab after {line!r} proposes {pattern!r}")
    bash.type(clear)


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("todoke est", r"todoke estimate "),
        ("todoke submit ca", r"todoke submit calendar "),
        ("todoke submit calendar -p lea", r"-p least="),
        ("todoke jobs --status fai", r"--status failed "),
        ("todoke keys rot", r"todoke keys rotate "),
    ],
)
def test_tab_completes_commands_types_parameters_and_states(line: str, pattern: str, bash: Terminal) -> None:
    proposed(bash, line, pattern)


def test_tab_completes_recent_ids(bash: Terminal, world: World) -> None:
    job_id = world.new()["jobId"]
    proposed(bash, f"todoke show {job_id[:6]}", job_id)
    proposed(bash, f"todoke watch {job_id[:6]}", job_id)


_SHELLS = {
    "zsh": (["-i"], "xterm", b"\x15"),
    "fish": (["-i", "--init-command", f"function fish_prompt; echo -n '{_PROMPT}'; end"], "xterm", b"\x03"),
}
"""How each begins, on which terminal, and which key empties the line."""


@pytest.mark.parametrize("name", _SHELLS)
def test_zsh_and_fish_complete_after_installation_from_within(name: str, home: dict[str, str]) -> None:
    program = str(tool(name))
    arguments, term, clear = _SHELLS[name]
    environment = {**home, "SHELL": program, "TERM": term}
    first = Terminal([program, *(["-f", "-i"] if name == "zsh" else arguments)], environment)
    first.until(re.escape(_PROMPT))
    first.type(b"todoke --install-completion\n")
    first.until("Completion will take effect")
    assert first.leave(b"exit\n") == 0, first.shown

    shell = Terminal([program, *arguments], environment)
    shell.until(re.escape(_PROMPT))
    for line, end in (("todoke est", "estimate"), ("todoke submit ca", "calendar"), ("todoke keys rot", "rotate")):
        proposed(shell, line, end, clear=clear)
    shell.leave(clear + b"exit\n")


@pytest.mark.parametrize("asked", [["--install-completion"], ["--show-completion"], ["--install-completion", "tcsh"]])
def test_where_no_shell_is_found_one_can_be_named(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nowhere() -> tuple[str, str]:
        raise shellingham.ShellDetectionFailure

    monkeypatch.setattr(shellingham, "detect_shell", nowhere)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert run(asked) == Exit.WRONG_CALL
    told = capsys.readouterr().err
    assert told.endswith(f"Name one: {asked[0]} bash (or zsh, fish, powershell, pwsh)\n")
    assert not list(tmp_path.iterdir())

    for named in ([asked[0], "zsh"], [f"{asked[0]}=zsh"]):
        with pytest.raises(SystemExit) as ended:
            run(named)
        assert ended.value.code == 0
    assert "zsh" in capsys.readouterr().out
    assert (tmp_path / ".zfunc" / "_todoke").exists() == (asked[0] == "--install-completion")

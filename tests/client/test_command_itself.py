"""The command line itself: its help, profiles and values, and the modules that it loads for them."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.command import Command, todoke, url, world
from tests.client.fake_api import World
from todoke.cli import completion, exits
from todoke.cli.app import run
from todoke.cli.durations import seconds
from todoke.cli.exits import Exit, WrongCall, worst
from todoke.cli.profiles import Profile, Profiles, load, save

__all__ = ["todoke", "url", "world"]  # fixtures


def test_exit_codes_are_explained_and_each_is_used_once(todoke: Command) -> None:
    told = todoke("help", "exit-codes").out
    for code in Exit:
        assert f"{int(code):>4}  {code.meaning}" in told
    assert len({code.meaning for code in Exit}) == len(Exit)
    assert [int(code) for code in Exit] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 75, 130, 141]
    assert worst([Exit.DONE, Exit.TIME_OVER, Exit.JOB_FAILED]) is Exit.JOB_FAILED
    assert worst([Exit.JOB_FAILED, Exit.NOT_THERE]) is Exit.NOT_THERE
    assert exits.exit_of(OSError()) is Exit.FAILED_HERE


def test_a_profile_is_kept_for_its_owner_and_used(
    todoke: Command, world: World, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.key = "todoke_0123456789abcdef"
    monkeypatch.delenv("TODOKE_URL")
    assert todoke("login", "--at", url, stdin="wrong\n").code == 4
    assert todoke("profile", "list").err == "no profiles yet: create one with `todoke login`\n"
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


def test_a_profile_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = Profile("http://api.test", None, "pass show '\U0001f511/\x7f\u0085\u3042\\' \"\t\"")
    kept = Profiles("\U0001f511", {"\U0001f511": one})
    save(tmp_path / "config.toml", kept)
    assert load(tmp_path / "config.toml") == kept


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

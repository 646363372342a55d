"""What `pip install todoke-server` installs without extras, and what each extra adds; missing ones are reported."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from services.cli.__main__ import parser
from shared.version import VERSION
from tests.support.installed import ROOT, closure, run_with

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
BASE: list[str] = PROJECT["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
SOMEWHERE = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:9/d", "AWS_REGION": "eu-west-1", "STARTUP_TIMEOUT_S": "0.1"}


def command(*arguments: str) -> str:
    return f"import sys; from services.cli.__main__ import main; sys.exit(main({list(arguments)!r}))"


def needs(extra: str) -> set[str]:
    """The packages of a base installation with one extra."""
    return closure([*BASE, *EXTRAS[extra], *(EXTRAS["cli"] if f"{PROJECT['name']}[cli]" in EXTRAS[extra] else [])])


@pytest.mark.parametrize("arguments", [["--help"], ["migrate", "upgrade", "--help"]])
def test_help_needs_no_package_at_all(arguments: list[str]) -> None:
    ran = run_with({"nothing"}, command(*arguments))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "todoke-server" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["check", "my-catalog"], "cli"),
        (["render", "late-flights"], "cli"),
        (["setup-queues"], "relay"),
        (["dlq", "list"], "relay"),
        (["migrate", "current"], "migrate"),
    ],
)
def test_a_command_without_its_extra_names_it(arguments: list[str], extra: str) -> None:
    ran = run_with(closure(BASE), command(*arguments), SOMEWHERE)

    assert ran.returncode == 1
    assert ran.stderr.startswith(f"todoke-server {arguments[0]}: needs the extra `{extra}` (")
    assert ran.stderr.endswith(f"pip install 'todoke-server[{extra}]'\n")
    assert ran.stderr.count("\n") == 1


def test_the_doctor_looks_at_what_the_installed_packages_can() -> None:
    ran = run_with(closure(BASE), command("doctor"), {**SOMEWHERE, "SQS_QUEUE_URL": "http://127.0.0.1:9/1/x"})

    assert (ran.returncode, ran.stderr.count("Traceback")) == (1, 0)
    assert "fail\tdatabase\tPostgreSQL does not answer" in ran.stdout
    assert "warn\tqueues\tnot checked: boto" in ran.stdout
    assert "warn\tcatalog\tnot checked: " in ran.stdout


@pytest.mark.parametrize(
    "arguments", [["keys", "create", "--tenant", "acme", "--name", "ci"], ["outbox", "parked"]], ids=lambda a: a[0]
)
def test_what_only_asks_the_database_needs_no_extra(arguments: list[str]) -> None:
    ran = run_with(closure(BASE), command(*arguments), SOMEWHERE)

    assert ran.returncode == 1
    assert ran.stderr.startswith(f"todoke-server {arguments[0]}: PostgreSQL does not answer")


def test_a_new_report_type_needs_no_extra(tmp_path: Path) -> None:
    ran = run_with(closure(BASE), command("new", "late-flights", "--catalog", str(tmp_path)), SOMEWHERE)

    assert (ran.returncode, ran.stdout) == (0, f"{tmp_path}/late-flights\n"), ran.stderr


@pytest.mark.parametrize(
    ("extra", "modules"),
    [
        ("cli", "services.cli.check, services.cli.render"),
        ("relay", "services.cli.queues, services.cli.dead_letters, services.relay.__main__"),
        ("worker", "services.cli.queues, services.cli.check, services.worker.__main__"),
        ("migrate", "services.cli.migrate, migrations.versions"),
        ("api", "services.api.__main__"),
    ],
)
def test_an_extra_brings_all_that_its_commands_and_its_service_import(extra: str, modules: str) -> None:
    ran = run_with(needs(extra), f"import {modules}", SOMEWHERE)

    assert ran.returncode == 0, ran.stderr[-2000:]


def test_whatever_a_report_is_made_with_is_missed_before_the_first_report() -> None:
    """`check` makes its files in children; a package that only they import would be missed there, as a traceback."""
    ran = run_with(needs("cli"), "import sys, services.cli.check; print(*sys.modules)")

    # google-re2 is imported as re2, msoffcrypto-tool as msoffcrypto
    names = {Requirement(text).name.removeprefix("google-").removesuffix("-tool") for text in EXTRAS["cli"]}
    # vl-convert is imported where a chart is drawn: it takes more memory than all the others.
    assert names - set(ran.stdout.split()) == {"vl-convert-python"}


@pytest.mark.parametrize("service", ["api", "relay", "worker"])
def test_a_base_dependency_is_one_that_every_service_imports(service: str) -> None:
    ran = run_with(needs(service), f"import sys, services.{service}.__main__; print(*sys.modules)", SOMEWHERE)

    imported = set(ran.stdout.split())
    for text in BASE:
        name = Requirement(text).name.replace("-", "_")
        assert name in imported or name == "psycopg", f"{service} does not import {name}"  # psycopg: at connecting


def test_the_version_and_the_name_stand_in_one_place() -> None:
    assert (PROJECT["name"], PROJECT["dynamic"]) == ("todoke-server", ["version"])
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "shared.version.VERSION"}
    assert PROJECT["scripts"] == {parser().prog: "services.cli.__main__:main"}
    client = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())
    assert client["project"]["name"] == "todoke"
    assert client["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "todoke.version.VERSION"}
    assert f'VERSION = "{VERSION}"' in (ROOT / "client" / "todoke" / "version.py").read_text(), "released together"
    assert (ROOT / "client" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    for file in ("deploy/Dockerfile", "deploy/compose.yaml", "deploy/README.md"):
        text = (ROOT / file).read_text()
        assert VERSION in text, f"{file} has another version as its default"

"""`todoke-server …`, or `python -m services.cli …` in a checkout."""

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from services.cli import arguments, author_arguments, gate_arguments, key_arguments, operation_arguments, terminal
from services.cli.errors import ExtraMissing, WrongCall
from shared.errors import TodokeError
from shared.runtime import logs
from shared.version import VERSION


class _Command(NamedTuple):
    module: str
    extra: str | None
    help: str
    describe: Callable[[argparse.ArgumentParser], None]


_COMMANDS: Mapping[str, _Command] = {
    "new": _Command("new", None, "make the folder of a report type", author_arguments.add_new),
    "render": _Command("render", "cli", "make a report here, without services", author_arguments.add_render),
    "check": _Command("check", "cli", "try every report type of a catalog", arguments.add_check),
    "keys": _Command(
        "keys", None, "make, list, rotate and revoke API keys, link to the console", key_arguments.add_keys
    ),
    "setup-queues": _Command(
        "queues", "relay", "make the queues, or bring them up to date", arguments.add_setup_queues
    ),
    "doctor": _Command("doctor.command", None, "look at all that services stand on", operation_arguments.add_doctor),
    "dlq": _Command("dead_letters", "relay", "look at dead letters, send them back", operation_arguments.add_dlq),
    "gates": _Command("gates", None, "pause, resume and cap report types, tenants, sources", gate_arguments.add_gates),
    "outbox": _Command("outbox", None, "look at parked messages, send them again", operation_arguments.add_outbox),
    "secrets": _Command("sealed_secrets", "api", "seal secrets under the newest key", operation_arguments.add_secrets),
    "migrate": _Command("migrate", "migrate", "bring the database up to date", arguments.add_migrate),
}


def main(given: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 if all is well, 1 if something is wrong, 2 for a wrong call.

    As shells expect, it is 130 after Ctrl-C, and 141 if the reader of its output has gone.
    """
    options = parser().parse_args(given)
    logs.silence()
    try:
        code = _load(_COMMANDS[options.command])(options)
        sys.stdout.flush()
    except TodokeError as error:
        print(f"todoke-server {options.command}: {error}", file=sys.stderr)
        return 2 if isinstance(error, WrongCall) else 1
    except KeyboardInterrupt:
        return terminal.INTERRUPTED
    except BrokenPipeError:
        return terminal.hang_up()
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(prog="todoke-server", description="Operate Todoke. The services are not commands.")
    whole.add_argument("--version", action="version", version=f"todoke-server {VERSION}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        command.describe(commands.add_parser(name, help=command.help))
    return whole


def _load(command: _Command) -> Callable[[argparse.Namespace], int]:
    """Return the command's function. Raises ExtraMissing when a package that it imports is not installed."""
    try:
        run: Callable[[argparse.Namespace], int] = importlib.import_module(f"services.cli.{command.module}").run
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if command.extra is None or package in {"services", "shared"}:
            raise
        raise ExtraMissing(package, command.extra) from None
    return run


if __name__ == "__main__":
    sys.exit(main())

"""What `make run` does: start everything, make a report of each type, say where things are, and stop in order."""

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from deploy.local import telling
from deploy.local.choices import choose
from deploy.local.remedies import remedy
from deploy.local.samples import submit, watch
from deploy.local.stack import ROOT, Stack
from shared.errors import TodokeError

_FORESEEN = (TodokeError, OSError, psycopg.Error, SQLAlchemyError, subprocess.SubprocessError)
"""Faults of the machine, the disk or the user's files that can prevent a start. Anything else is a bug."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the system. Returns the exit code: 0 all is well, 1 something failed, 130 interrupted during the start."""
    given = _given(arguments)
    stop = _stop_event()
    try:
        return _run(given, stop)
    except _Interrupted:
        telling.say("interrupted")
        return 130
    except _FORESEEN as error:
        print(f"\nmake run: {remedy(error, given.data)}", file=sys.stderr)
        return 1


def _run(given: argparse.Namespace, stop: threading.Event) -> int:
    started = time.monotonic()
    choices = choose(given.catalog, given.source, keys=given.keys)
    with Stack(given.data, api_port=given.port, choices=choices, say=telling.say) as stack:
        jobs = watch(stack, submit(stack, telling.say), quiet=given.json)
        seconds = time.monotonic() - started
        if given.json:
            print(json.dumps(telling.document(stack, jobs, seconds), indent=2))
        else:
            telling.files(stack, jobs, seconds)
        if given.once:
            return 0 if all(job["status"] == "SUCCESS" for job in jobs) else 1
        telling.addresses(stack, jobs, stack.open_door())
        _serve(stack, stop)
        return 0


def _given(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make run",
        description='Start Todoke on this machine and make a report of each type. Options go in ARGS="…".',
    )
    parser.add_argument("--once", action="store_true", help="stop when these reports have ended; 0 if all succeeded")
    parser.add_argument("--json", action="store_true", help="with --once: print one JSON document on stdout")
    parser.add_argument("--port", type=int, default=8000, help="port of the API (default: %(default)s)")
    parser.add_argument(
        "--data", type=Path, default=ROOT / ".todoke", help="folder that keeps everything (default: .todoke)"
    )
    parser.add_argument(
        "--catalog", type=Path, metavar="FOLDER", help="your folder of report types (default: the sample reports)"
    )
    parser.add_argument(
        "--source", action="append", default=[], metavar="URL",
        help="database that your reports read, postgresql://user:password@host/database (default: the sample data); "
        "NAME=URL for one that report.toml calls by name; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--keys", action="store_true",
        help="let nobody in without an API key; the first is made, and printed once with a link that signs in to the "
        "console",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    if given.json and not given.once:
        parser.error("--json goes with --once")
    if not 1 <= given.port <= 65_535:
        parser.error("--port is a number from 1 to 65535")
    if given.source and given.catalog is None:
        parser.error("--source goes with --catalog: the sample reports read the sample data")
    return given


class _Interrupted(Exception):
    """Ctrl-C came before everything had started, or a second time."""


def _stop_event() -> threading.Event:
    """Return an event that Ctrl-C or SIGTERM sets while serving; before that, they interrupt the start."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set() or not _serving.is_set():
            stop.set()
            raise _Interrupted
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop


_serving = threading.Event()


def _serve(stack: Stack, stop: threading.Event) -> None:
    _serving.set()
    while not stop.wait(1.0):
        stack.tend()
    telling.say(
        f"\nstopping: running reports have {stack.grace_s} s to end, then the worker gives them back "
        "(Ctrl-C again: at once)"
    )

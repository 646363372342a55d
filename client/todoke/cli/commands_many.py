"""`submit-many`: submits one report per line of a file."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from todoke.cli import columns
from todoke.cli.common import command
from todoke.cli.exits import Ended, WrongCall, exit_of, worst
from todoke.cli.session import Session
from todoke.cli.terminal import say

if TYPE_CHECKING:
    from todoke.options import Submission


def add(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app, "submit-many",
        "todoke submit-many tonight.jsonl",
        "jq -c .[] tonight.json | todoke submit-many -",
    )(submit_many)  # fmt: skip


def submit_many(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False, help="JSON Lines; - for stdin.")],
) -> None:
    """Request many reports: each line of the file is one API request. Prints the jobs.

    A refused line does not affect the others; the exit code is the worst one. With an idempotencyKey in each line,
    the file can safely be sent again.
    """
    wanted = [_submission(number, line) for number, line in enumerate(_lines(file), 1) if line.strip()]
    codes = []
    for number, one in enumerate(session.todoke.jobs.create_many(wanted), 1):
        if one.job is not None:
            session.write.one(one.job.raw, columns.ACCEPTED, id_field="jobId")
        elif one.problem is not None:
            say(f"request {number}: {one.problem}")
            codes.append(exit_of(one.problem))
    if codes:
        raise Ended(worst(codes))


def _lines(file: str) -> list[str]:
    try:
        return (sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongCall(f"{file} cannot be read: {error}") from None


def _submission(number: int, line: str) -> "Submission":
    """Parse a line, which uses the API's names. Raises WrongCall, before anything is sent."""
    from todoke.options import SUBMISSION

    try:
        content: Any = json.loads(line)
    except ValueError as error:
        raise WrongCall(f"line {number} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise WrongCall(f'line {number} must be an object, such as {{"reportType": "carrier-delays"}}')
    names = {wire: name for name, wire in SUBMISSION.items()}
    if unknown := sorted(set(content) - set(names)):
        raise WrongCall(f"line {number}: {unknown[0]!r} is not a field of a request; {', '.join(names)} are")
    given = {names[wire]: value for wire, value in content.items()}
    if isinstance(given.get("reuse_seconds"), dict):
        given["reuse_seconds"] = given["reuse_seconds"].get("maxAgeSeconds")
    return cast("Submission", given)

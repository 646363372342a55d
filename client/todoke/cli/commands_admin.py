"""`admin`: pauses and caps, for operators."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from todoke.cli import columns, commands_operating, commands_readings
from todoke.cli.common import command, group
from todoke.cli.durations import seconds
from todoke.cli.exits import WrongCall
from todoke.cli.session import Session

_KINDS = ("tenant", "report-type", "source")
Kind = Annotated[str, typer.Argument(metavar="KIND", show_default=False, help=f"One of {', '.join(_KINDS)}.")]
Name = Annotated[
    str, typer.Argument(metavar="NAME", show_default=False, help="The name; for a source, as in report.toml.")
]
OfKind = Annotated[str | None, typer.Option("--kind", metavar="KIND", help=f"Only one of {', '.join(_KINDS)}.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    inner = group("Operate the service: check its state, pause and cap jobs, and handle undeliverable messages.")
    command(inner, "gates", "todoke admin gates", "todoke admin gates --kind source -o json")(gates)
    command(inner, "pause", "todoke admin pause source warehouse --reason 'it moves tonight' --for 3h")(pause)
    command(inner, "resume", "todoke admin resume source warehouse")(resume)
    command(inner, "cap", "todoke admin cap tenant acme --running 10 --unfinished 1000")(cap)
    command(inner, "uncap", "todoke admin uncap tenant acme")(uncap)
    commands_readings.add(inner)
    commands_operating.add(inner)
    app.add_typer(inner, name="admin")


def gates(session: Session, kind: OfKind = None) -> None:
    """List pauses and caps: with the number of jobs running under each cap."""
    found = session.todoke.admin.list_gates(kind=None if kind is None else _kind(kind))
    session.write.whole(found.raw, [one.raw for one in found.gates], columns.GATES, id_field="name")


def pause(
    session: Session,
    kind: Kind,
    name: Name,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Reason, shown to clients.")],
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Resume automatically after this time, e.g. 3h.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Resume automatically at this time.")
    ] = None,
) -> None:
    """Stop starting its jobs. New jobs are accepted and wait with their deadlines suspended; running jobs continue."""
    if lasting is not None and until is not None:
        raise WrongCall("use either --for or --until, not both")
    ends: datetime | str | None = until
    if lasting is not None:
        ends = datetime.now(UTC) + timedelta(seconds=seconds(lasting, "--for"))
    found = session.todoke.admin.pause(_kind(kind), name, reason=reason, until=ends)
    session.write.one(found.raw, columns.GATES, id_field="name")


def resume(session: Session, kind: Kind, name: Name) -> None:
    """End a pause. Jobs start again, in turns, after their deadlines are extended by the pause."""
    found = session.todoke.admin.resume(_kind(kind), name)
    session.write.one(found.raw, columns.GATES, id_field="name")


def cap(
    session: Session,
    kind: Kind,
    name: Name,
    running: Annotated[
        int | None, typer.Option("--running", metavar="N", help="Maximum running jobs: 1 to 1000.", min=1, max=1000)
    ] = None,
    unfinished: Annotated[
        int | None,
        typer.Option(
            "--unfinished", metavar="N", help="Maximum waiting and running jobs of a tenant.", min=1, max=100_000
        ),
    ] = None,
) -> None:
    """Limit how many of its jobs run, or are unfinished, at once. Existing jobs continue and count."""
    if running is None and unfinished is None:
        raise WrongCall("give --running N or --unfinished N")
    if unfinished is not None and _kind(kind) != "tenant":
        raise WrongCall("--unfinished applies to tenants only")
    found = None if running is None else session.todoke.admin.set_cap(_kind(kind), name, running)
    if unfinished is not None:
        found = session.todoke.admin.set_queue_cap(name, unfinished)
    session.write.one(None if found is None else found.raw, columns.GATES, id_field="name")


def uncap(session: Session, kind: Kind, name: Name) -> None:
    """Remove the caps on its running and unfinished jobs."""
    session.todoke.admin.remove_cap(_kind(kind), name)
    if _kind(kind) == "tenant":
        session.todoke.admin.remove_queue_cap(name)
    session.say(f"cap of {kind} {name} removed")


def _kind(given: str) -> str:
    if given not in _KINDS:
        raise WrongCall(f"{given!r} is not a kind: use one of {', '.join(_KINDS)}")
    return given.replace("-", "_")

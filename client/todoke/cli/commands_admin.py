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
    str, typer.Argument(metavar="NAME", show_default=False, help="The source's is the one in report.toml.")
]
OfKind = Annotated[str | None, typer.Option("--kind", metavar="KIND", help=f"Only one of {', '.join(_KINDS)}.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    inner = group("Run the service: see how all stands, pause and cap, and handle messages that were put aside.")
    command(inner, "gates", "todoke admin gates", "todoke admin gates --kind source -o json")(gates)
    command(inner, "pause", "todoke admin pause source warehouse --reason 'it moves tonight' --for 3h")(pause)
    command(inner, "resume", "todoke admin resume source warehouse")(resume)
    command(inner, "cap", "todoke admin cap tenant acme --running 10 --unfinished 1000")(cap)
    command(inner, "uncap", "todoke admin uncap tenant acme")(uncap)
    commands_readings.add(inner)
    commands_operating.add(inner)
    app.add_typer(inner, name="admin")


def gates(session: Session, kind: OfKind = None) -> None:
    """List what is paused and capped: how many jobs run under each cap, too."""
    found = session.todoke.admin.list_gates(kind=None if kind is None else _kind(kind))
    session.write.whole(found.raw, [one.raw for one in found.gates], columns.GATES, id_field="name")


def pause(
    session: Session,
    kind: Kind,
    name: Name,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; clients are told.")],
    lasting: Annotated[str | None, typer.Option("--for", metavar="TIME", help="It ends by itself, e.g. 3h.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Likewise, at this moment.")] = None,
) -> None:
    """Start no more jobs of it. They are accepted and wait, and their deadlines stand still; what runs goes on."""
    if lasting is not None and until is not None:
        raise WrongCall("--for and --until exclude each other")
    ends: datetime | str | None = until
    if lasting is not None:
        ends = datetime.now(UTC) + timedelta(seconds=seconds(lasting, "--for"))
    found = session.todoke.admin.pause(_kind(kind), name, reason=reason, until=ends)
    session.write.one(found.raw, columns.GATES, id_field="name")


def resume(session: Session, kind: Kind, name: Name) -> None:
    """End a pause: jobs start again, in turns, once each has got back the time that it stood still."""
    found = session.todoke.admin.resume(_kind(kind), name)
    session.write.one(found.raw, columns.GATES, id_field="name")


def cap(
    session: Session,
    kind: Kind,
    name: Name,
    running: Annotated[
        int | None, typer.Option("--running", metavar="N", help="Jobs that run: 1 to 1000.", min=1, max=1000)
    ] = None,
    unfinished: Annotated[
        int | None,
        typer.Option("--unfinished", metavar="N", help="A tenant's jobs that wait or run.", min=1, max=100_000),
    ] = None,
) -> None:
    """Limit how many of its jobs run, or are unfinished, at once. What is there already goes on, and counts."""
    if running is None and unfinished is None:
        raise WrongCall("say --running N, or --unfinished N")
    if unfinished is not None and _kind(kind) != "tenant":
        raise WrongCall("--unfinished is for tenants")
    found = None if running is None else session.todoke.admin.set_cap(_kind(kind), name, running)
    if unfinished is not None:
        found = session.todoke.admin.set_queue_cap(name, unfinished)
    session.write.one(None if found is None else found.raw, columns.GATES, id_field="name")


def uncap(session: Session, kind: Kind, name: Name) -> None:
    """Let any number of its jobs run, and be unfinished."""
    session.todoke.admin.remove_cap(_kind(kind), name)
    if _kind(kind) == "tenant":
        session.todoke.admin.remove_queue_cap(name)
    session.say(f"{kind} {name} has no cap")


def _kind(given: str) -> str:
    if given not in _KINDS:
        raise WrongCall(f"{given!r} is not a kind: write {', '.join(_KINDS)}")
    return given.replace("-", "_")

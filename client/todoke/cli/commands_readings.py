"""`admin overview`, `admin queues` and `admin workers`: the state of the installation."""

from collections.abc import Sequence
from typing import Annotated

import typer

from todoke.cli import columns
from todoke.cli.common import command
from todoke.cli.exits import Ended, Exit, WrongCall
from todoke.cli.output import Column, Raw
from todoke.cli.session import Session
from todoke.cli.terminal import say

_PERIODS = ("1h", "24h", "7d")


def add(inner: typer.Typer) -> None:
    """Add the commands to those of `admin`."""
    command(inner, "overview", "todoke admin overview", "todoke admin overview --period 24h -o json")(overview)
    command(inner, "queues", "todoke admin queues", "todoke admin queues -o json --fields name,facts.visible")(queues)
    command(inner, "workers", "todoke admin workers", "todoke admin workers --fields name,holding,slots")(workers)


def overview(
    session: Session,
    period: Annotated[
        str, typer.Option("--period", metavar="TIME", help=f"Period to show: one of {', '.join(_PERIODS)}.")
    ] = "1h",
) -> None:
    """Show what needs attention in the installation: with -o json, also workers, measurements and history."""
    if period not in _PERIODS:
        raise WrongCall(f"--period {period}: use one of {', '.join(_PERIODS)}")
    found = session.todoke.admin.overview(period=period)
    session.write.whole(found.raw, found.raw.get("conditions") or (), columns.CONDITIONS, id_field="code")
    if found.workers is not None:
        here = [one for one in found.workers if not one.gone]
        held, slots = sum(one.holding for one in here), sum(one.slots for one in here)
        session.say(f"workers: {len(here)}; busy slots: {held} of {slots}")
    if found.history is not None:
        ended = {
            outcome: sum(one.jobs for one in found.history if one.outcome == outcome)
            for outcome in ("SUCCESS", "FAILED", "CANCELLED")
        }
        session.say(f"in {found.period}: " + ", ".join(f"{jobs:,} {outcome}" for outcome, jobs in ended.items()))
    if found.not_looked_at:
        session.say(f"the database took too long; missing: {', '.join(found.not_looked_at)}")


def queues(session: Session) -> None:
    """Show the latest measurements: of the queue, its dead letters and the database."""
    measured = session.todoke.admin.overview().raw.get("measured")
    found = None if measured is None else [{"name": name, **one} for name, one in measured.items()]
    _write(session, found, columns.READINGS)
    if not found:
        session.say("no relay has reported measurements yet")


def workers(session: Session) -> None:
    """List workers: their state, the jobs that each holds, and when each was last seen."""
    _write(session, session.todoke.admin.overview().raw.get("workers"), columns.WORKERS)


def _write(session: Session, found: Sequence[Raw] | None, shown: Sequence[Column]) -> None:
    if found is None:
        say("the database took too long; try again later")
        raise Ended(Exit.TEMPORARY)
    session.write.whole(found, found, shown, id_field="name")

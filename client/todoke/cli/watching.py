"""Watches all jobs, without end: a line for each that is new or changes."""

from typing import NoReturn

from todoke.cli import columns
from todoke.cli.exits import Ended, Exit
from todoke.cli.session import Session


def watch_all(session: Session) -> NoReturn:
    """Write jobs as they change, until Ctrl-C or an error. Raises Ended, and what the client raises."""
    session.say("The newest jobs, and whatever changes; Ctrl-C ends it.")

    def missed() -> None:
        session.say("More has changed than was told: `todoke jobs` has the truth.")

    try:
        found = session.todoke.jobs.changes(on_missed=missed)
        session.write.follow((job.raw for job in found), columns.CHANGES, id_field="jobId")
    except KeyboardInterrupt:
        raise Ended(Exit.INTERRUPTED) from None
    raise AssertionError("a stream of changes has no end")

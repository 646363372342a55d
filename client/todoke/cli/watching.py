"""Watches all jobs, without end: a line for each that is new or changes."""

from typing import NoReturn

from todoke.cli import columns
from todoke.cli.exits import Ended, Exit
from todoke.cli.session import Session


def watch_all(session: Session) -> NoReturn:
    """Write jobs as they change, until Ctrl-C or an error. Raises Ended, and what the client raises."""
    session.say("Showing the newest jobs and all changes. Press Ctrl-C to stop.")

    def missed() -> None:
        session.say("Some changes were not shown. Run `todoke jobs` for the current state.")

    try:
        found = session.todoke.jobs.changes(on_missed=missed)
        session.write.follow((job.raw for job in found), columns.CHANGES, id_field="jobId")
    except KeyboardInterrupt:
        raise Ended(Exit.INTERRUPTED) from None
    raise AssertionError("a stream of changes has no end")

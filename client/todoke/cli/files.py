"""Downloads the files of jobs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from todoke.cli import columns
from todoke.cli.session import Session
from todoke.cli.terminal import is_terminal
from todoke.sizes import size

if TYPE_CHECKING:
    from todoke.models import Job


def fetch(session: Session, job: "Job | str", folder: Path, names: Sequence[str] | None, *, force: bool) -> None:
    """Download into a folder, and print the paths."""
    done = session.todoke.jobs.download(job, folder, names, force=force)
    for one in done:
        what = "was there" if one.was_there else "downloaded"
        session.say(f"{one.path.name}: {what}, {size(one.size_bytes)}, SHA-256 verified")
    raw = [
        {"path": str(one.path), "artifact": one.artifact, "sizeBytes": one.size_bytes, "sha256": one.sha256}
        for one in done
    ]
    session.write.whole(raw, raw, columns.PATHS, id_field="path")


def fetch_into(session: Session, job: "Job | str", name: str | None, file: str, *, force: bool) -> None:
    """Download one file to a path of the caller's choice, or to stdout."""
    from todoke.cli.exits import WrongCall

    if file == "-":
        if is_terminal(sys.stdout):
            raise WrongCall("--file -: refusing to write a file to a terminal; redirect stdout to a pipe or a file")
        session.todoke.jobs.download_into(job, sys.stdout.buffer, name)
        sys.stdout.flush()
        return
    done = session.todoke.jobs.download_as(job, Path(file), name, force=force)
    session.say(f"{done.path}: {size(done.size_bytes)}, SHA-256 verified")
    raw = {"path": str(done.path), "artifact": done.artifact, "sizeBytes": done.size_bytes, "sha256": done.sha256}
    session.write.one(raw, columns.PATHS, id_field="path")

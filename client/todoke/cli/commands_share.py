"""`share`: links that download a file without a key."""

from functools import partial
from typing import Annotated

import typer

from todoke.cli import columns
from todoke.cli.common import command, group
from todoke.cli.durations import seconds
from todoke.cli.exits import WrongCall
from todoke.cli.listing import All, Limit, write_list
from todoke.cli.session import Session

_SAMPLE = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"
Job = Annotated[str, typer.Argument(metavar="JOB-ID", show_default=False)]
Name = Annotated[
    str | None, typer.Argument(metavar="FILE", show_default=False, help="Name of the file, if the job has several.")
]
Id = Annotated[str, typer.Argument(metavar="LINK-ID", show_default=False)]
For = Annotated[
    str, typer.Option("--for", metavar="TIME", help="How long the link works, at most until the file expires.")
]
Downloads = Annotated[
    int | None, typer.Option("--downloads", metavar="N", min=1, help="Maximum downloads; default: unlimited.")
]
Key = Annotated[
    str | None, typer.Option("--idempotency-key", metavar="KEY", help="The same key always yields the same link.")
]
OfJob = Annotated[str | None, typer.Option("--job", metavar="JOB-ID", help="Only links to files of this job.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    inner = group("Create, list and revoke download links that need no key.")
    command(
        inner, "create", f"todoke share create {_SAMPLE}",
        f"todoke share create {_SAMPLE} sales.xlsx --for 3d --downloads 5",
    )(create)  # fmt: skip
    command(inner, "list", "todoke share list", f"todoke share list --job {_SAMPLE} -o jsonl")(list_shares)
    command(inner, "show", f"todoke share show {_SAMPLE} -o json")(show)
    command(inner, "revoke", f"todoke share revoke {_SAMPLE}")(revoke)
    app.add_typer(inner, name="share")


def create(
    session: Session, job: Job, name: Name = None, lasts: For = "7d", downloads: Downloads = None,
    idempotency_key: Key = None,
) -> None:  # fmt: skip
    """Create a link to a job's file. Prints it once, alone on stdout; anyone who has it can download the file."""
    made = session.todoke.jobs.share(
        job,
        name or _only_file(session, job),
        expires_seconds=int(seconds(lasts, "--for")),
        max_downloads=downloads,
        idempotency_key=idempotency_key,
    )
    session.write.one({**made.raw, "url": made.url}, columns.SHARE, id_field="url")
    if made.url is None:
        session.say(f"{made.share.id} was already created with this key; its link was shown then")
    else:
        session.say(f"valid until {made.share.expires_at}; to revoke it: todoke share revoke {made.share.id}")


def list_shares(session: Session, job: OfJob = None, limit: Limit = 20, everything: All = False) -> None:
    """List your links, or those to the files of a job, newest first."""
    pages = partial(session.todoke.shares.list, job=job)
    write_list(session, "shares", pages, columns.SHARES, id_field="shareId", limit=None if everything else limit)


def show(session: Session, link: Id) -> None:
    """Show a link and its number of downloads, without the link itself."""
    session.write.one(session.todoke.shares.get(link).raw, columns.SHARES, id_field="shareId")


def revoke(session: Session, link: Id) -> None:
    """Revoke a link. Repeating this is harmless."""
    session.todoke.shares.revoke(link)
    session.say(f"{link} revoked")


def _only_file(session: Session, job: str) -> str:
    result = session.todoke.jobs.get(job).result
    names = [] if result is None else [one.name for one in result.artifacts]
    if len(names) != 1:
        raise WrongCall(f"share: the job has {len(names)} files; name one of {', '.join(names)}" if names else
                        "share: the job has no files, or none yet")  # fmt: skip
    return names[0]

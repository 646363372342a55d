"""`download` and `verify`: downloads files, and checks that they are what jobs made."""

from pathlib import Path
from typing import Annotated

import typer

from todoke.cli import completion
from todoke.cli.common import command
from todoke.cli.exits import WrongCall
from todoke.cli.files import fetch, fetch_into
from todoke.cli.session import Session

Names = Annotated[
    list[str], typer.Argument(metavar="[NAME]...", help="Files to download; default: all.", show_default=False)
]
Folder = Annotated[
    Path | None, typer.Option("-O", "--into", metavar="DIR", help="Target folder; default: the current one.")
]
File = Annotated[
    str | None, typer.Option("--file", metavar="FILE", help="Save the only file under this name; - for stdout.")
]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app, "download",
        "todoke download 019acb2e-7c41-7e02-9a51-0e5b1a6c7f10 -O reports",
        "todoke download 019acb2e-7c41-7e02-9a51-0e5b1a6c7f10 carrier-delays.pdf manifest.json",
        "todoke download 019acb2e-7c41-7e02-9a51-0e5b1a6c7f10 flights.csv --file - | head",
    )(download)  # fmt: skip
    command(
        app, "verify",
        "todoke verify carrier-delays.pdf",
        "todoke verify carrier-delays.pdf --manifest manifest.json",
        "todoke verify carrier-delays.pdf --key manifest-public.pem",
        without=("url", "profile", "output", "fields", "quiet", "verbose", "max_wait"),
    )(verify)  # fmt: skip


def download(
    session: Session,
    job: Annotated[str, typer.Argument(metavar="ID", show_default=False, autocompletion=completion.ids)],
    names: Names = [],  # noqa: B006 - typer makes a new list for each call
    folder: Folder = None,
    file: File = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Download a job's files. Prints their paths.

    A file gets its name once its SHA-256 is verified. An interrupted download stays as a .part file; repeat the
    command to continue it.
    """
    if file is not None:
        if folder is not None or len(names) > 1:
            raise WrongCall("--file downloads one file and cannot be combined with --into")
        fetch_into(session, job, names[0] if names else None, file, force=force)
    else:
        fetch(session, job, folder or Path(), names or None, force=force)


def verify(
    _session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="The downloaded file.")],
    manifest: Annotated[
        Path | None, typer.Option("--manifest", metavar="FILE", help="Default: manifest.json next to the file.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Public key (PEM) that the signature must match.")
    ] = None,
) -> None:
    """Verify that a file is byte for byte what its job produced. Exits with 1 if not."""
    from todoke.cli.terminal import plain
    from todoke.manifest import verify as check

    proof = check(file, manifest, key)
    typer.echo(plain(f"{file} is whole: {proof.name}, {proof.size_bytes:,} bytes, {proof.rows:,} rows"))
    typer.echo(plain(f"made by job {proof.job_id} from {proof.report_type} {proof.report_version}"))
    signed = f"signed by key {proof.key_id}" if proof.key_id else "signature not checked: pass --key to check it"
    typer.echo(plain(signed))

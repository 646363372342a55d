"""`rows`: the first rows of a report, without downloading its files."""

from typing import Annotated

import typer

from todoke.cli.commands_jobs import Id
from todoke.cli.common import command
from todoke.cli.exits import WrongCall
from todoke.cli.output import Column, Form, Raw
from todoke.cli.session import Session
from todoke.cli.terminal import one_line

_SAMPLE = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"
_NUMBERS = {"integer", "bigint", "decimal", "float"}


def add(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app, "rows", f"todoke rows {_SAMPLE}", f"todoke rows {_SAMPLE} --limit 1000 -o jsonl",
        f"todoke rows {_SAMPLE} --fields carrier,flights",
    )(rows)  # fmt: skip


def rows(
    session: Session,
    job: Id,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="Maximum number of items.", min=1, max=1000)] = 20,
) -> None:
    """Show the first rows of a job's report. The server stores up to 1,000."""
    if session.write.form is Form.ID:
        raise WrongCall("-o id: rows have no ids; use table, json or jsonl")
    page = session.todoke.jobs.rows(job, page_size=limit)
    columns = [_column(one.name, one.title, right=one.type in _NUMBERS) for one in page.columns]
    session.write.whole(page.raw, page.rows, columns, id_field="")
    if len(page.rows) < page.total_rows:
        kept = f", of which {page.stored_rows:,} are kept: download a file for all" if page.truncated else ""
        session.say(f"the first {len(page.rows):,} of {page.total_rows:,} rows{kept}")


def _column(name: str, title: str, *, right: bool) -> Column:
    def read(raw: Raw) -> object:
        return raw.get(name)

    return Column(one_line(title or name), read, right=right)

"""Lists that are fetched and written page by page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol

import typer

from todoke.cli.output import Column, Form, Raw
from todoke.cli.session import Session
from todoke.errors import UnexpectedAnswer

_PAGE = 100
Limit = Annotated[int, typer.Option("--limit", metavar="N", help="Maximum number of items.", min=1)]
All = Annotated[bool, typer.Option("--all", help="List all items, page by page.")]


class Page(Protocol):
    """One page of a list."""

    @property
    def raw(self) -> Mapping[str, Any]:
        """The JSON of the answer, unchanged."""

    @property
    def next_page_token(self) -> str | None:
        """None on the last page."""


class PageAt(Protocol):
    """Fetches a page: the first one without a token."""

    def __call__(self, *, page_size: int, page_token: str | None) -> Page:
        """Return the page."""


def write_list(
    session: Session, name: str, page_at: PageAt, columns: Sequence[Column], *, id_field: str, limit: int | None
) -> None:
    """Write the first `limit` items of the list `name`; all of them if that is None.

    JSON output is one body with the items of all pages and the token of the next page; every other form is written page
    by page. Raises UnexpectedAnswer for a page that would follow itself.
    """
    pages = _pages(page_at, name, limit)
    if session.write.form is not Form.JSON:
        session.write.each((raw for page in pages for raw in page.raw[name]), columns, id_field=id_field)
        return
    found: list[Raw] = []
    token = None
    for page in pages:
        found += page.raw[name]
        token = page.next_page_token
    session.write.whole({name: found, "nextPageToken": token}, found, columns, id_field=id_field)


def _pages(page_at: PageAt, name: str, limit: int | None) -> Iterator[Page]:
    token, had = None, 0
    while limit is None or had < limit:
        page = page_at(page_size=_PAGE if limit is None else min(limit - had, _PAGE), page_token=token)
        yield page
        had += len(page.raw[name])
        if page.next_page_token is None:
            return
        if page.next_page_token == token:
            raise UnexpectedAnswer("the server returned the same page token twice")
        token = page.next_page_token

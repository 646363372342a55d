"""Iterates over pages."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from todoke._core.steps import Emit, Flow
from todoke.errors import UnexpectedAnswer


class Page(Protocol):
    """One page of a list."""

    @property
    def next_page_token(self) -> str | None:
        """None on the last page."""


P = TypeVar("P", bound=Page)


def every(page_at: Callable[[str | None], Flow[P]], items: Callable[[P], Iterable[object]]) -> Flow[None]:
    """Emit every item, page by page. Raises UnexpectedAnswer for a page that would follow itself."""
    token = None
    while True:
        page = yield from page_at(token)
        for item in items(page):
            yield Emit(item)
        if page.next_page_token is None:
            return
        if page.next_page_token == token:
            raise UnexpectedAnswer("the server returned the same page token twice")
        token = page.next_page_token

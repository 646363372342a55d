"""Conditional requests (RFC 9110, section 13): which version a client has already, and which one it requires."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fastapi import Request

from services.api.actions.errors import PreconditionFailed

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"[ \t,]*(?:{_TAG}(?:[ \t]*,[ \t,]*|[ \t]*$))+")
_ONE = re.compile(_TAG)


class Tags(NamedTuple):
    """The entity tags of a header."""

    given: frozenset[str]
    """Each tag with its quotes, and with `W/` if it is weak."""
    any: bool
    """True if the header is `*`."""

    def weakly(self, etag: str) -> bool:
        """True if the header names this tag, weak or strong: for If-None-Match."""
        return self.any or etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in self.given}

    def strongly(self, etag: str) -> bool:
        """True if the header names this strong tag as a strong one: for If-Match."""
        return self.any or (etag in self.given and not etag.startswith("W/"))


def tags(request: Request, header: str) -> Tags | None:
    """Return the entity tags that the request names in `header`, in one line or several; None without such a header.

    A header that is not a list of tags names none.
    """
    lines = request.headers.getlist(header)
    if not lines:
        return None
    value = ", ".join(lines).strip(" \t")
    if value == "*":
        return Tags(frozenset(), any=True)
    return Tags(frozenset(_ONE.findall(value)) if _LIST.fullmatch(value) else frozenset(), any=False)


def check(request: Request, etag: str) -> bool:
    """Return False if the client has this version already, so that 304 is the answer.

    Raises PreconditionFailed if it requires another.
    """
    wanted = tags(request, "if-match")
    if wanted is not None and not wanted.strongly(etag):
        raise PreconditionFailed
    known = tags(request, "if-none-match")
    return known is None or not known.weakly(etag)


def insists(request: Request) -> Callable[[str], bool] | None:
    """Return a function that says whether a change may be made of the revision with this entity tag; None if any may be
    changed.
    """
    wanted = tags(request, "if-match")
    return None if wanted is None else lambda revision: wanted.strongly(f'"{revision}"')


def seen(request: Request) -> Callable[[str], bool] | None:
    """Return a function that says whether the client has the revision with this entity tag; None if it has none."""
    known = tags(request, "if-none-match")
    return None if known is None else known.weakly


_PART = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s,;"]*))?\s*(;|,|$)', re.DOTALL)


def preferences(lines: Sequence[str]) -> dict[str, str]:
    """Return what a client prefers (RFC 7240): names in lower case, the first of each, without their parameters.

    An unreadable line counts for nothing from the unreadable place on.
    """
    preferred: dict[str, str] = {}
    for line in lines:
        place, parameter = 0, False
        while place < len(line) and (part := _PART.match(line, place)):
            name, value, end = part[1].lower(), part[2] or "", part[3]
            if not parameter:
                unquoted = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
                preferred.setdefault(name, unquoted)
            parameter, place = end == ";", part.end()
    return preferred

"""Splits a query into tokens: just enough of PostgreSQL's lexer to tell code from text.

The rules are those of https://www.postgresql.org/docs/18/sql-syntax-lexical.html (2026-11-23), read with
`standard_conforming_strings` on, as it has been by default since PostgreSQL 9.1: a backslash means something
in E'…' only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from shared.errors import TodokeError


class Kind(Enum):
    """The kind of a token."""

    SPACE = auto()
    """White space or a comment."""
    QUOTED = auto()
    """A string literal or a quoted identifier."""
    WORD = auto()
    """A keyword, a name or a number."""
    PLACEHOLDER = auto()
    """`:name`."""
    SYMBOL = auto()
    """Anything else: `::`, `:=`, or one character."""


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of the query. All pieces joined are the query."""

    kind: Kind
    text: str
    line: int
    """The line of its first character, from 1."""


class UnreadableSql(TodokeError):
    """The query ends inside a string, an identifier or a comment."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


# Every character beyond ASCII may be part of a name.
_START = r"[A-Za-z_\x80-\U0010ffff]"
_REST = r"[A-Za-z0-9_\x80-\U0010ffff]"
_ESCAPED = r"(?:[^'\\]|\\.|'')*"
# White space with a line break, followed by another quote: there the literal continues.
_GOES_ON = r"(?:[ \t\f\v]|--[^\r\n]*)*[\r\n](?:\s|--[^\r\n]*[\r\n])*'"

_TOKEN = re.compile(
    rf"""
      (?P<space>   \s+ | --[^\r\n]* )
    | (?P<comment> /\* )
    # What E'…' goes on with is read by its own rules, to the very end.
    | (?P<escape>  [eE]'{_ESCAPED}'(?:{_GOES_ON}{_ESCAPED}')*(?!{_GOES_ON}) )
    | (?P<unclosed_escape> [eE]' )
    | (?P<string>  '(?:[^']|'')*' )
    | (?P<name>    "(?:[^"]|"")*" )
    | (?P<dollar>  \$\$.*?\$\$ | \$(?P<tag>{_START}{_REST}*)\$.*?\$(?P=tag)\$ )
    | (?P<unclosed> ['"] | \$(?:{_START}{_REST}*)?\$ )
    | (?P<word>    {_REST}(?:{_REST}|\$)* )
    | (?P<cast>    ::|:= )
    | (?P<placeholder> :{_START}{_REST}* )
    | (?P<symbol>  . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)

_KINDS = {
    "space": Kind.SPACE,
    "comment": Kind.SPACE,
    "escape": Kind.QUOTED,
    "string": Kind.QUOTED,
    "name": Kind.QUOTED,
    "dollar": Kind.QUOTED,
    "word": Kind.WORD,
    "cast": Kind.SYMBOL,
    "placeholder": Kind.PLACEHOLDER,
    "symbol": Kind.SYMBOL,
}

_COMMENT_EDGE = re.compile(r"/\*|\*/")


def scan(query: str) -> Iterator[Token]:
    """Yield the query's tokens in order. Raises UnreadableSql for a string, name or comment that never ends."""
    at, line = 0, 1
    while at < len(query):
        found = _TOKEN.match(query, at)
        assert found is not None  # noqa: S101 - `symbol` matches any character
        group = found.lastgroup or "symbol"
        if group.startswith("unclosed"):
            raise UnreadableSql(f"{found.group()} is opened here and never closed; close it", line)
        end = _comment_end(query, at, line) if group == "comment" else found.end()
        yield Token(_KINDS[group], query[at:end], line)
        line += query.count("\n", at, end)
        at = end


def _comment_end(query: str, at: int, line: int) -> int:
    """Return where the comment at `at` ends. Comments nest in PostgreSQL, unlike in C."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(query, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise UnreadableSql("/* is opened here and never closed; close it with */", line)

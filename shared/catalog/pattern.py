"""Patterns of parameters: regular expressions that mean the same to the service and to its clients.

Clients read them in the JSON Schema, as ECMA-262 expressions. The service matches with RE2, whose time is proportional
to the text, whatever the pattern. A pattern is usable if both understand it.
"""

import functools
import re
from collections.abc import Iterator
from typing import Any

import re2

from shared.errors import TodokeError

_MOST_BYTES = 4 << 20
"""Memory of one compiled pattern: sixty letters of any script, with a repetition count, take 3 MB."""
# The worst pattern that we found, `[ab]*(a[ab]{0,900})*[cd]`, takes 10 µs per letter; usual ones take a thousandth of
# that.
_ESCAPED = r"\\u[0-9A-Fa-f]{4} | \\x[0-9A-Fa-f]{2} | \\[pP]\{[^{}]*\} | \\.? | "
_IN_CLASS = re.compile(_ESCAPED + ".", re.VERBOSE | re.DOTALL)
_OUTSIDE = re.compile(
    _ESCAPED + r"\(\?(?:<[=!]|<(?=[A-Za-z_])|P?.)? | \{[0-9]+(?:,[0-9]*)?\} | \[\^?\]? | .", re.VERBOSE | re.DOTALL
)
_GROUPS = {"(?:", "(?<"}
"""What may begin a group besides a bare parenthesis: a group without a number, and one with a name."""
_LOOKS = {"(?=": "look-ahead", "(?!": "look-ahead", "(?<=": "look-behind", "(?<!": "look-behind"}
_PROPERTY = re.compile(r"\\([pP])\{(?:([A-Z][a-z]?)|(?:Script|sc)=(\w+))\}")
_SPACES = r"\s\v\p{Z}\x{FEFF}"
"""White space as ECMA-262 defines it; RE2's own `\\s` covers ASCII only."""


class UnusablePattern(TodokeError):
    """The pattern is invalid, or not in the part that RE2 and ECMA-262 share. The message says what, and the remedy."""


def check_pattern(pattern: str) -> None:
    """Return if the pattern can be matched. Raises UnusablePattern."""
    _compiled(pattern)


def matches(pattern: str, text: str) -> bool:
    """True if the whole text fits the pattern. The time is proportional to the text, whatever the pattern."""
    return _compiled(pattern).fullmatch(text) is not None


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = _MOST_BYTES
    options.never_capture = True
    options.log_errors = False
    expression = "".join(_of_re2(pattern))
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        if "too large" in said:
            said = "is too large when it is written out: repeat less, and count with min and max"
        else:
            said = f"is not a regular expression: {said}"
        raise UnusablePattern(said) from None


def _of_re2(pattern: str) -> Iterator[str]:
    """Yield the pattern's parts as RE2 writes them.

    Raises UnusablePattern for a part that only one of the two knows.
    """
    at, in_class = 0, False
    while found := (_IN_CLASS if in_class else _OUTSIDE).match(pattern, at):
        token, at = found[0], found.end()
        if token[0] == "\\":
            yield _escape(token, in_class=in_class)
        elif in_class:
            in_class = not token.startswith("]")
            # RE2 would read `[:alpha:]` in a class; for ECMA-262 the bracket is a character.
            yield token.replace("[", r"\[")
        elif token[0] == "[":
            if token[-1] == "]":
                raise UnusablePattern(f"has the empty class {token}: write \\] for the character")
            in_class = True
            yield token
        else:
            _check_plain(token)
            yield token


def _check_plain(token: str) -> None:
    """Raise UnusablePattern for a token outside classes that the two read differently."""
    if looks := _LOOKS.get(token):
        raise UnusablePattern(
            f"has the {looks} {token}…), which cannot be matched in bounded time: say what may be, as in "
            "[A-Z]{2}|[0-9]{4}, or check it in the query"
        )
    if token.startswith("(?") and token not in _GROUPS:
        raise UnusablePattern(f"has {token}…), which JSON Schema does not know: use (…), (?:…) or (?<name>…)")
    if token in {"{", "}", "]"}:
        raise UnusablePattern(f"has a bare {token}: write \\{token} for the character, and {{2}} or {{0,5}} to repeat")


def _escape(token: str, *, in_class: bool) -> str:
    kind = token[1:2]
    if kind in {"u", "x"} and len(token) > 2:
        return f"\\x{{{token[2:]}}}"
    if kind == "s":
        return _SPACES if in_class else f"[{_SPACES}]"
    if kind == "S" and not in_class:
        return f"[^{_SPACES}]"
    if found := _PROPERTY.fullmatch(token):
        return f"\\{found[1]}{{{found[2] or found[3]}}}"
    if kind.isdigit() or kind == "k":
        raise UnusablePattern(
            f"has the back-reference {token}, which cannot be matched in bounded time: write out what may be repeated"
        )
    if kind.isalpha() and kind not in set("dDwWSbBtnrfv"):
        raise UnusablePattern(
            f"has {token}, which the service and JSON Schema do not share: use \\d \\w \\s \\b, \\p{{L}}, "
            "\\p{Script=Greek}, \\u00E9 or the character itself"
        )
    return token

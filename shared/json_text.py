"""JSON where every request and every job passes, and wherever one process reads what another one stored.

pydantic's own reader and writer, which are there anyway: twice and four times as fast as the standard library's
(`make bench ARGS="--only limits"`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import pydantic_core

MOST_LEVELS = 200
"""Arrays and objects within each other. One limit for whoever accepts and whoever reads later: what the API took, a
worker must be able to read. The standard library's depends on how deep the reader's own stack is."""


class TooDeep(ValueError):
    """More than MOST_LEVELS."""


def read(text: str | bytes) -> Any:
    """The value. Raises ValueError; also for NaN, Infinity, half of a surrogate pair and bytes that are not UTF-8."""
    try:
        # Keys repeat from message to message. Values (ids, receipts) do not, and would only fill the cache.
        return pydantic_core.from_json(text, allow_inf_nan=False, cache_strings="keys")
    except TypeError:
        raise ValueError("it contains half of a surrogate pair") from None
    except ValueError as error:
        if str(error).startswith("recursion limit"):
            raise TooDeep(f"it is nested too deeply: at most {MOST_LEVELS} levels") from None
        raise


def write(value: object) -> str:
    """The text, without spaces. Raises ValueError for half of a surrogate pair and for what JSON cannot hold."""
    return pydantic_core.to_json(value).decode()


def storable(text: str) -> str:
    """The text as a jsonb may have it: PostgreSQL refuses U+0000 and lone surrogates, which a message may quote."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode()


def with_texts(node: Any, change: Callable[[str], str], *, names: bool = False) -> Any:
    """The same value with its texts changed, and with those of the names within objects if `names` says so."""
    match node:
        case str():
            return change(node)
        case Mapping():
            return {change(n) if names else n: with_texts(part, change, names=names) for n, part in node.items()}
        case list() | tuple():
            return [with_texts(part, change, names=names) for part in node]
        case _:
            return node

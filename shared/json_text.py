"""JSON for every request and job, and wherever one process reads what another one stored.

It uses pydantic's reader and writer, which are installed anyway: twice and four times as fast as the standard library's
(`make bench ARGS="--only limits"`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import pydantic_core

MOST_LEVELS = 200
"""Nested arrays and objects. Both the accepting and the later reading process use this limit: a worker must be able to
read whatever the API accepted. The limit of the standard library depends on the depth of the reader's own stack."""


class TooDeep(ValueError):
    """More than MOST_LEVELS levels."""


def read(text: str | bytes) -> Any:
    """Return the value.

    Raises ValueError; also for NaN, Infinity, an unpaired surrogate and bytes that are not UTF-8.
    """
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
    """Return the text, without spaces. Raises ValueError for an unpaired surrogate and for what JSON cannot hold."""
    return pydantic_core.to_json(value).decode()


def storable(text: str) -> str:
    """Return the text as a jsonb can hold it: PostgreSQL refuses U+0000 and lone surrogates, which
    a message may quote.
    """
    return text.replace("\0", "?").encode("utf-8", "replace").decode()


def with_texts(node: Any, change: Callable[[str], str], *, names: bool = False) -> Any:
    """Return the value with its texts changed by `change`, including the names in objects if `names` is true."""
    match node:
        case str():
            return change(node)
        case Mapping():
            return {change(n) if names else n: with_texts(part, change, names=names) for n, part in node.items()}
        case list() | tuple():
            return [with_texts(part, change, names=names) for part in node]
        case _:
            return node

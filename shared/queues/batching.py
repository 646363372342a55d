"""Splits messages into calls that the queue accepts: at most ten entries and at most 1 MiB each."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from shared.queues.interface import MAX_BATCH_ENTRIES, MAX_MESSAGE_BYTES, Outgoing, SendFailure

_MAX_ATTRIBUTES = 10
# "A message can include only XML, JSON, and unformatted text. #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD |
# #x10000 to #x10FFFF" (Amazon SQS API reference, SendMessage, read 2026-11-23).
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

T = TypeVar("T")


def size_bytes(message: Outgoing) -> int:
    """Return the size that the queue counts: the body, and the name, type and value of every attribute, in UTF-8."""
    attributes = sum(len(f"{name}String{value}".encode()) for name, value in message.headers.items())
    return len(message.body.encode("utf-8", "surrogatepass")) + attributes


def refusal(message: Outgoing) -> SendFailure | None:
    """Return why the queue would never accept this message, without asking it; None if it may."""
    if not message.body:
        return _permanent(message, "InvalidMessageContents", "the body is empty")
    if illegal := _ILLEGAL.search(message.body):
        return _permanent(message, "InvalidMessageContents", f"the body contains U+{ord(illegal.group()):04X}")
    for name, value in message.headers.items():
        if illegal := _ILLEGAL.search(name + value):
            return _permanent(message, "InvalidMessageContents", f"a header contains U+{ord(illegal.group()):04X}")
    if len(message.headers) > _MAX_ATTRIBUTES:
        return _permanent(message, "InvalidAttributes", f"{len(message.headers)} headers; {_MAX_ATTRIBUTES} may be")
    if (size := size_bytes(message)) > MAX_MESSAGE_BYTES:
        return _permanent(message, "MessageTooLong", f"{size} bytes; {MAX_MESSAGE_BYTES} are allowed")
    return None


def _permanent(message: Outgoing, code: str, why: str) -> SendFailure:
    return SendFailure(message.key, code, why, permanent=True)


def by_count_and_size(messages: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """Split into calls that the queue accepts, in order. Each message alone must fit."""
    batch: list[Outgoing] = []
    total = 0
    for message in messages:
        size = size_bytes(message)
        if batch and (len(batch) == MAX_BATCH_ENTRIES or total + size > MAX_MESSAGE_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(message)
        total += size
    if batch:
        yield batch


def by_count(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split into groups of at most ten."""
    for at in range(0, len(items), MAX_BATCH_ENTRIES):
        yield items[at : at + MAX_BATCH_ENTRIES]

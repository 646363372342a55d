"""What came in the place of an answer of SQS: the page of a proxy, or another service's JSON."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError


class NotUnderstood(BotoCoreError):  # type: ignore[misc] # botocore has no types
    """What came is not an answer of SQS. One of botocore's errors, so that a caller treats it as SQS being away."""

    fmt = "what came is not an answer of SQS ({said}): is something else at {endpoint_url}, or a proxy before it?"


@contextmanager
def understood(endpoint_url: str) -> Iterator[None]:
    """Raise NotUnderstood for what an answer that was not foreseen makes its reader raise; botocore's errors pass."""
    try:
        yield
    except BotoCoreError:
        raise
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise NotUnderstood(said=f"{type(error).__name__}: {error}", endpoint_url=endpoint_url) from None


def texts_of(message: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the id, the receipt and the body of a received message. Raises TypeError and KeyError if it has none."""
    texts = (message["MessageId"], message["ReceiptHandle"], message.get("Body", ""))
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a message has no texts")
    return texts

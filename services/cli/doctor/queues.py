"""Examines the queue, its redrive policy and its dead-letter queue."""

import os
from collections.abc import Iterator

from services.cli.doctor.clock import REFUSED_S, compared
from services.cli.doctor.finding import Finding, fail, ok, warn
from shared.queues.interface import QueueDenied, QueueMissing, QueueUnavailable
from shared.queues.look import QueueFacts, QueueLook
from shared.runtime.settings import QueueSettings, SettingsError

_FEWEST_RECEIVES = 20
_SHORTEST_RETENTION_S = 3600
_LEAST_BYTES = 4096
"""More than any doorbell needs, including trace headers."""
_SET_UP = "run `todoke-server setup-queues`"


def look() -> Iterator[Finding]:
    """Yield the findings."""
    try:
        settings = QueueSettings.from_environment(os.environ)
    except SettingsError as error:
        yield fail("queue", str(error), f"{_SET_UP}, and set the variables that it prints")
        return
    asked = QueueLook(settings.aws_region)
    try:
        facts = asked.at(settings.sqs_queue_url)
    except QueueUnavailable as error:
        yield fail("queue", _said(error), _remedy(error))
        return
    yield from _queue(facts)
    if facts.ahead_s is not None:
        yield from compared("queue.clock", "SQS", facts.ahead_s, most_s=REFUSED_S)
    yield from _redrive(facts)
    if settings.sqs_dlq_url or facts.dead_letter_arn:
        yield from _dead_letters(asked, facts, settings.sqs_dlq_url)


def _said(error: QueueUnavailable) -> str:
    return error.said if isinstance(error, QueueMissing) else str(error)


def _remedy(error: QueueUnavailable) -> str:
    if isinstance(error, QueueDenied):
        return "docs/how-to/own-queues.md lists the rights"
    if isinstance(error, QueueMissing):
        return error.REMEDY
    return "check network, region and credentials"


def _queue(facts: QueueFacts) -> Iterator[Finding]:
    yield ok("queue", f"{facts.url} answers; {facts.messages} message(s)")
    if facts.delay_s > 0:
        yield warn(
            "queue.delay", f"each message waits {facts.delay_s} s before a worker sees it", "set DelaySeconds to 0"
        )
    if facts.retention_s < _SHORTEST_RETENTION_S:
        yield warn(
            "queue.retention",
            f"messages are deleted after {facts.retention_s} s; their jobs then wait for a new message",
            "set MessageRetentionPeriod to some days",
        )
    if facts.max_bytes is not None and facts.max_bytes < _LEAST_BYTES:
        yield warn("queue.size", f"messages may have at most {facts.max_bytes} bytes", "raise MaximumMessageSize")


def _redrive(facts: QueueFacts) -> Iterator[Finding]:
    if facts.dead_letter_arn is None:
        yield fail(
            "queue.redrive",
            "the queue has no redrive policy: a message that kills workers is redelivered for ever",
            _SET_UP,
        )
    elif facts.max_receive_count is not None and facts.max_receive_count < _FEWEST_RECEIVES:
        yield warn(
            "queue.redrive",
            f"maxReceiveCount is {facts.max_receive_count}: workers that are restarted a few times lose doorbells",
            f"set it to {_FEWEST_RECEIVES} or more: it only guards against crash loops; retries are rows",
        )
    else:
        yield ok("queue.redrive", f"a message moves to the dead-letter queue after {facts.max_receive_count} receives")


def _dead_letters(asked: QueueLook, facts: QueueFacts, url: str | None) -> Iterator[Finding]:
    try:
        dead = asked.at(url or asked.url_of(facts.dead_letter_arn or ""))
    except QueueUnavailable as error:
        yield fail("queue.dead_letters", _said(error), _remedy(error))
        return
    if url and facts.dead_letter_arn and _name(url, "/") != _name(facts.dead_letter_arn, ":"):
        yield fail(
            "queue.dead_letters",
            f"SQS_DLQ_URL is {_name(url, '/')}, but the queue moves messages to {_name(facts.dead_letter_arn, ':')}",
            "correct SQS_DLQ_URL, or unset it: the redrive policy names the queue",
        )
    if dead.retention_s < facts.retention_s:
        yield warn(
            "queue.dead_letters",
            f"dead letters are kept for {dead.retention_s} s, counted from their first sending, and messages for "
            f"{facts.retention_s} s",
            "set its MessageRetentionPeriod to 14 days",
        )
    if dead.messages:
        yield warn(
            "queue.dead_letters", f"{dead.messages} dead letter(s)", "inspect them with `todoke-server dlq list`"
        )
    else:
        yield ok("queue.dead_letters", "the dead-letter queue is empty")


def _name(address: str, separator: str) -> str:
    """Return the queue's name, which ends a URL or an ARN."""
    return address.rstrip("/").rpartition(separator)[2]

"""`todoke-server dlq`: list the dead-letter queue, send messages back, and delete them."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence

from services.cli.errors import WrongCall
from services.cli.rows import Row, print_rows
from shared.jobs.doorbell import read_doorbell
from shared.queues.dead_letters import DeadLetter, DeadLetters
from shared.runtime.settings import QueueSettings, SettingsError

_MOST = 10_000
"""The most messages that one redrive or drop examines; the next call handles further ones."""
_COLUMNS = ("id", "sent", "receives", "reason", "job", "body")


def run(given: argparse.Namespace) -> int:
    """Show messages, send them back, or delete them. Returns 1 if a selected one is missing or remains."""
    if given.action != "list" and bool(given.ids) == given.all:
        raise WrongCall("name message ids, or say --all")
    try:
        settings = QueueSettings.from_environment(os.environ)
    except SettingsError as error:
        raise WrongCall(str(error)) from None
    queue = DeadLetters(settings.sqs_queue_url, region=settings.aws_region, dead_letter_url=settings.sqs_dlq_url)
    return _show(queue, given) if given.action == "list" else _change(queue, given)


def _show(queue: DeadLetters, given: argparse.Namespace) -> int:
    shown: list[DeadLetter] = []
    try:
        for batch in queue.walk(given.most):
            shown += batch
    finally:
        queue.show_again(shown)
    print_rows(_COLUMNS, map(_row, shown), given.output)
    print(f"{len(shown)} message(s) in {queue.url}", file=sys.stderr)
    return 0


def _change(queue: DeadLetters, given: argparse.Namespace) -> int:
    """Walk over the queue, and apply the requested change to each selected message."""
    left: list[DeadLetter] = []
    changed, stayed, wanted = 0, 0, set(given.ids)
    try:
        for batch in queue.walk(_MOST):
            meant = [message for message in batch if _is_meant(message, given)]
            left += [message for message in batch if message not in meant]
            done = _done(queue, meant, given)
            left += [message for message in meant if message.message_id not in done]
            changed, stayed = changed + len(done), stayed + len(meant) - len(done)
            wanted -= {message.message_id for message in meant}
            if given.ids and not wanted:
                break
    finally:
        queue.show_again(left)
    return _told(given, changed, stayed, sorted(wanted), _not_ours(left) if given.all else 0)


def _is_meant(message: DeadLetter, given: argparse.Namespace) -> bool:
    if given.ids:
        return message.message_id in given.ids
    return given.action == "drop" or read_doorbell(message.body)[0] is not None


def _done(queue: DeadLetters, meant: Sequence[DeadLetter], given: argparse.Namespace) -> frozenset[str]:
    """Return the ids of messages that were moved or deleted. Without --yes there are none, and each is only shown."""
    print_rows(_COLUMNS, map(_row, meant), given.output)
    if not given.yes or not meant:
        return frozenset()
    return queue.send_back(meant) if given.action == "redrive" else queue.delete(meant)


def _not_ours(left: Sequence[DeadLetter]) -> int:
    return sum(read_doorbell(message.body)[0] is None for message in left)


def _told(given: argparse.Namespace, changed: int, stayed: int, missing: Sequence[str], foreign: int) -> int:
    for line in _lines(given, changed, stayed, missing, foreign):
        print(line, file=sys.stderr)
    return 1 if missing or (given.yes and stayed) else 0


def _lines(given: argparse.Namespace, changed: int, stayed: int, missing: Sequence[str], foreign: int) -> Iterator[str]:
    done, verb = {"redrive": ("sent back", "send back"), "drop": ("deleted", "delete")}[given.action]
    if given.yes:
        yield f"{changed} message(s) {done}" + (f", {stayed} stayed: the queue did not take them" if stayed else "")
    else:
        yield f"nothing was changed: --yes would {verb} {stayed} message(s)"
    if given.action == "redrive" and foreign:
        yield f"{foreign} message(s) that no worker would understand are left: see `dlq drop`"
    if missing:
        yield f"not there, or hidden by somebody who looks at it now: {', '.join(missing)}"


def _row(message: DeadLetter) -> Row:
    job_id, problem = read_doorbell(message.body)
    return {
        "id": message.message_id,
        "sent": message.sent_at,
        "receives": message.receive_count,
        "reason": message.reason or problem,
        "job": str(job_id) if job_id else None,
        "body": message.body,
        "headers": dict(message.headers),
    }

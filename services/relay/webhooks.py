"""Notifies webhooks: turns events into deliveries, and makes the deliveries that are due.

A crash may follow any durable step. If a relay dies before a delivery's result is written, the lease of the delivery
runs out and it is sent again under the same `webhook-id`. So each delivery is made at least once, and a receiver can
recognise a repetition.
"""

import base64
import email.utils
import logging
import random
import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.engine import Engine

from services.relay import metrics
from shared.access.secret_keys import SecretKeys, SecretKeysWrong, SecretNotReadable, SecretsNotKept
from shared.database.engine import transactional
from shared.webhooks import delivering, store
from shared.webhooks.delivering import DELAYS_S, Attempt, Claimed
from shared.webhooks.event import message_id, signature
from shared.webhooks.sending import Answer, DeliveryRequest, DeliverySender
from shared.webhooks.spread import spread

log = logging.getLogger(__name__)

_EVENTS = 200
"""Events per transaction: some tens of milliseconds."""
_MOST = 64
"""Deliveries that one relay has under way: each needs a socket, and slow ones of a few tenants must leave room for the
others."""
_WAIT_S = 0.2
"""How long a delivery that has become due may wait while others are under way."""
_MOST_AFTER_S = 86_400.0
"""The longest `Retry-After` that is obeyed."""
_THROTTLE_S = 60.0
"""How long nothing is sent to a receiver that asks for fewer requests without a `Retry-After`."""
_JITTER = 0.2
_THROTTLES = frozenset({429, 502, 503, 504})
_GONE = 410


class Verdict(NamedTuple):
    """What happens to a delivery after an attempt."""

    state: str
    delay_s: float | None = None
    throttle_s: float | None = None
    gone: bool = False


class Webhooks:
    """One relay's share of the webhooks. Any number may run: each delivery is leased to one of them.

    Used from one thread only.
    """

    def __init__(self, engine: Engine, sender: DeliverySender, keys: SecretKeys) -> None:
        self._engine = engine
        self._transactions = transactional(engine)
        self._sender = sender
        self._keys = keys
        self._claimed: dict[UUID, Claimed] = {}
        """Deliveries by lease: a relay that was asleep may claim a delivery again that it still has under way."""
        self._unwritten: list[Attempt] = []
        """The results of deliveries that are not yet committed."""

    def run_once(self) -> int:
        """Spread events, send deliveries and write down results.

        Returns 0 if there were none and nothing is under way.
        """
        spread_now = 0
        if not self._sender.under_way and not self._unwritten:
            with self._engine.connect() as conn:
                if not delivering.any_due(conn):
                    return 0
        self._write()
        with self._transactions.begin() as conn:
            spread_now, made = spread(conn, most=_EVENTS)
        metrics.WEBHOOK_EVENTS.inc(spread_now)
        taken = self._send()
        answers = self._sender.wait(_WAIT_S)
        self._unwritten += [self._attempt(answer) for answer in answers]
        self._write()
        return spread_now + made + taken + len(answers) + self._sender.under_way

    def _send(self) -> int:
        room = _MOST - self._sender.under_way
        if room <= 0:
            return 0
        with self._transactions.begin() as conn:
            claimed = delivering.claim(conn, most=room)
            secrets = store.secrets_of(conn, [one.webhook_id for one in claimed]) if claimed else {}
        for one in claimed:
            try:
                owner = store.owner_of_secret(one.webhook_id)
                keys = [self._keys.open(sealed, of=owner) for sealed in secrets.get(one.webhook_id, [])]
            except (SecretKeysWrong, SecretNotReadable, SecretsNotKept) as error:
                log.error("webhook.secret_closed", extra={"webhook_id": one.webhook_id, "reason": str(error)})
                self._claimed[one.token] = one
                self._unwritten.append(self._attempt(Answer(one.token, None, "secret", 0, None, None, b"", None)))
                continue
            self._claimed[one.token] = one
            self._sender.send(_request(one, keys))
        return len(claimed)

    def _attempt(self, answer: Answer) -> Attempt:
        one = self._claimed.pop(answer.id)
        verdict = judge(answer, one.tries)
        outcome = "retried" if verdict.state == "waiting" else verdict.state
        metrics.WEBHOOK_DELIVERIES.labels(outcome).inc()
        metrics.WEBHOOK_SECONDS.observe(answer.took_ms / 1000)
        return Attempt(
            one.id, one.token, verdict.state, verdict.delay_s, verdict.throttle_s, verdict.gone, answer.took_ms,
            answer.request_head, answer.status, answer.response_head, base64.b64encode(answer.response_body).decode(),
            answer.error,
        )  # fmt: skip

    def _write(self) -> None:
        if not self._unwritten:
            return
        with self._transactions.begin() as conn:
            written, off = delivering.record(conn, self._unwritten)
        metrics.WEBHOOK_LATE_WRITES.inc(len(self._unwritten) - len(written))
        self._unwritten = []
        for one in off:
            log.warning("webhook.disabled", extra={"webhook_id": one.id, "tenant": one.tenant, "reason": one.because})


def judge(answer: Answer, tries: int) -> Verdict:
    """Decide what happens to a delivery that was tried `tries` times before."""
    status = answer.status or 0
    if 200 <= status < 300:
        return Verdict("delivered")
    if status == _GONE:
        return Verdict("dead", gone=True)
    throttle_s = None
    after_s = _seconds(answer.retry_after)
    if status in _THROTTLES:
        throttle_s = _THROTTLE_S if after_s is None else after_s
    if tries + 1 >= len(DELAYS_S):
        return Verdict("dead", throttle_s=throttle_s)
    delay_s = DELAYS_S[tries + 1] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - jitter needs no secrecy
    return Verdict("waiting", max(delay_s, after_s or 0.0), throttle_s)


def _request(one: Claimed, keys: Sequence[bytes]) -> DeliveryRequest:
    message, timestamp, body = message_id(one.event_id), int(one.now), one.body.encode()
    headers = [
        "Content-Type: application/json", f"webhook-id: {message}", f"webhook-timestamp: {timestamp}",
        f"webhook-signature: {signature(keys, message, timestamp, body)}",
    ]  # fmt: skip
    return DeliveryRequest(one.token, one.tenant, one.url, headers, body)


def _seconds(retry_after: str | None) -> float | None:
    """Return the pause in seconds that `Retry-After` names, as a number or a date (RFC 9110, section 10.2.3); None if
    it names none.
    """
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after[:9]), _MOST_AFTER_S)
    try:
        at = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except (ValueError, OverflowError):  # a receiver may write a year of any length
        return None
    return min(max(0.0, at - time.time()), _MOST_AFTER_S)

"""A delivery goes only to the host that its certificate names, and a relay that receives its own delivery continues."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from services.relay.assembly import _webhooks
from services.relay.webhooks import Webhooks
from shared.access.secret_keys import SecretKeys
from shared.ids import uuid7
from shared.jobs.finish import Failure, fail
from shared.webhooks.sending import Answer, DeliveryRequest, DeliverySender
from tests.support.certificates import self_signed
from tests.support.eventually import eventually
from tests.support.jobs import a_job, started
from tests.support.relay import relay_settings
from tests.support.webhooks import (
    OPEN,
    Heard,
    Listener,
    a_webhook,
    attempts,
    deliveries,
    make_due,
    settle,
)


def a_failed_job(conn: Connection) -> None:
    job_id = a_job(conn, tenant="acme")
    fail(conn, [Failure(started(conn, job_id).lease, "internal_error", "it broke", retryable=False, delay_s=0)])


def posted(sender: DeliverySender, url: str) -> Answer:
    """How a request to that address goes."""
    sender.send(DeliveryRequest(uuid7(), "acme", f"{url}/todoke", ["Content-Type: application/json"], b"{}"))
    answers: Sequence[Answer] = []
    give_up_at = time.monotonic() + 60
    while not answers and time.monotonic() < give_up_at:
        answers = sender.wait(1)
    sender.close()
    return answers[0]


def the_relays_sender(authorities: Path | None) -> DeliverySender:
    """As a relay has it with WEBHOOK_CA_FILE."""
    named = {} if authorities is None else {"WEBHOOK_CA_FILE": authorities}
    settings = relay_settings(WEBHOOK_NETWORKS="loopback", WEBHOOK_PORTS="1-65535", **named)
    return _webhooks(settings)._sender


def test_who_has_the_certificate_of_its_address_is_told_where_its_authority_is_trusted(tmp_path: Path) -> None:
    files = self_signed(tmp_path, "127.0.0.1")
    with Listener(tls=files) as listener:
        answer = posted(the_relays_sender(files[0]), listener.url)

    assert (answer.status, answer.error) == (204, None)
    assert [heard.path for heard in listener.heard] == ["/todoke"]


@pytest.mark.parametrize("named", ["127.0.0.1", "127.0.0.2"], ids=["of nobody who is trusted", "of another address"])
def test_with_a_certificate_that_proves_nothing_nothing_is_told(tmp_path: Path, named: str) -> None:
    files = self_signed(tmp_path, named)
    trusted = None if named == "127.0.0.1" else files[0]
    with Listener(tls=files) as listener:
        answer = posted(the_relays_sender(trusted), listener.url)

    assert (answer.status, answer.error, answer.request_head) == (None, "tls", None)
    assert listener.heard == []


def test_who_does_not_speak_tls_is_told_nothing(tmp_path: Path) -> None:
    with Listener() as listener:
        answer = posted(DeliverySender(OPEN, certificates=None), listener.url.replace("http:", "https:"))

    assert (answer.status, answer.error) == (None, "tls")
    assert listener.heard == []


def test_a_relay_that_meets_its_own_delivery_again_writes_down_the_later_one(
    conn: Connection, teller: Webhooks, sealing: SecretKeys
) -> None:
    free = threading.Event()

    def hanging(_: Heard) -> tuple[int, bytes, dict[str, str]]:
        free.wait(60)
        return 204, b"", {}

    with Listener() as listener:
        listener.answer = hanging
        a_webhook(conn, sealing, listener.url)
        a_failed_job(conn)
        teller.run_once()
        eventually(lambda: len(listener.heard) == 1)
        make_due(conn)  # its lease is over, as after a machine that slept
        teller.run_once()
        eventually(lambda: len(listener.heard) == 2)
        free.set()
        settle(teller)

    assert len({heard.headers["webhook-id"] for heard in listener.heard}) == 1
    assert [(one.state, one.attempts) for one in deliveries(conn)] == [("delivered", 1)]
    assert [one.status for one in attempts(conn)] == [204]

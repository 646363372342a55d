"""Any Retry-After of another server is read or ignored: it never ends a loop."""

from collections.abc import Mapping

import pytest

from services.relay.webhooks import judge
from shared.ids import uuid7
from shared.webhooks.sending import Answer
from todoke._core.requests import retry_after
from todoke._core.steps import Answer as ClientsAnswer

_NONSENSE = [
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Mon, 01 Jan 2020 00:00:00 -999999999999999999999999999999",
    "Fri, 31 Dec 9999 23:59:59 -0000",
    "Mon, 01 Jan 0001 00:00:00 -0000",
    f"Mon, 01 Jan {'9' * 5_000} 00:00:00 GMT",
    "²", "-1", "1e9", "", ", , ,",
]  # fmt: skip


@pytest.mark.parametrize("text", _NONSENSE, ids=lambda text: text[:40])
def test_a_webhook_that_answers_nonsense_is_tried_again(text: str) -> None:
    verdict = judge(Answer(uuid7(), 500, None, 1, "POST", "HTTP/1.1 500", b"", text), 0)

    assert (verdict.state, verdict.gone) == ("waiting", False)
    assert 0 < (verdict.delay_s or 0) <= 86_400


@pytest.mark.parametrize("text", _NONSENSE, ids=lambda text: text[:40])
def test_the_client_waits_for_no_nonsense(text: str) -> None:
    headers: Mapping[str, str] = {"retry-after": text}
    waits_s = retry_after(ClientsAnswer(429, headers, b""))

    assert waits_s is None or waits_s >= 0

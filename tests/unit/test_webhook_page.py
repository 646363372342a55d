"""A receiver written from docs/how-to/webhooks.md alone verifies what Todoke has signed."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from shared.webhooks.event import new_secret, secret_text, signature

_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "webhooks.md"
_BODY = b'{"type": "job.failed", "timestamp": "2026-01-31T12:00:00Z", "data": {"jobId": "1"}}'


def _lines(part: str) -> str:
    [found] = [one for one in re.findall(r"```python\n(.*?)```", _PAGE.read_text(), re.DOTALL) if part in one]
    return str(found)


def test_the_receiver_of_the_page_takes_what_is_signed_and_refuses_what_is_not() -> None:
    read: dict[str, Any] = {}
    exec(_lines("def is_genuine"), read)  # noqa: S102 - our own page
    before, now = new_secret(), int(time.time())

    def headers(at: int, message: str = "msg_1") -> dict[str, str]:
        signed = signature([new_secret(), before], "msg_1", at, _BODY)
        return {"webhook-id": message, "webhook-timestamp": str(at), "webhook-signature": signed}

    is_genuine, secret = read["is_genuine"], secret_text(before)
    assert is_genuine(_BODY, headers(now), secret)
    assert not is_genuine(_BODY + b" ", headers(now), secret)
    assert not is_genuine(_BODY, headers(now, "msg_2"), secret)
    assert not is_genuine(_BODY, headers(now - 400), secret)
    assert not is_genuine(_BODY, headers(now), secret_text(new_secret()))


def test_the_lines_of_the_page_for_the_client_work(capsys: pytest.CaptureFixture[str]) -> None:
    key, now = new_secret(), int(time.time())
    signed = signature([key], "msg_1", now, _BODY)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signed}
    names = {"body": _BODY, "headers": headers, "SECRET": secret_text(key)}
    exec(_lines("from todoke.webhooks import verify"), names)  # noqa: S102 - our own page

    assert capsys.readouterr().out == "msg_1 job.failed 1\n"

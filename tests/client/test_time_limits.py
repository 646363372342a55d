"""Time limits: infinity means none, and invalid times are refused before anything is sent."""

import json
import math

import httpx2
import pytest

from tests.client.conftest import Make
from tests.client.samples import JOB_ID, job
from tests.support.http_server import LoopbackServer, QuietHandler


class _Ended(QuietHandler):
    def do_GET(self) -> None:
        self.answer(200, json.dumps(job("SUCCESS")).encode())


def test_infinity_is_no_limit(make: Make) -> None:
    """On a socket: what is too long for it is an OverflowError there, at the first request."""
    with LoopbackServer(_Ended) as server:
        todoke = make(server.url, timeout=math.inf, connect=math.inf, max_wait=math.inf)
        assert todoke.jobs.get(JOB_ID).status == "SUCCESS"
        assert todoke.jobs.wait(JOB_ID, timeout=math.inf).status == "SUCCESS"


@pytest.mark.parametrize("what", ["timeout", "connect", "max_wait"])
@pytest.mark.parametrize("value", [math.nan, -1.0])
def test_what_is_no_time_is_refused(what: str, value: float, make: Make) -> None:
    with pytest.raises(ValueError, match="must be more than 0 s"):
        make(**{what: value})


@pytest.mark.parametrize("value", [math.nan, -1.0])
def test_nobody_waits_for_no_time(value: float, make: Make) -> None:
    def nobody(request: httpx2.Request) -> httpx2.Response:
        raise AssertionError(f"nothing is asked: {request.url}")

    with pytest.raises(ValueError, match=f"timeout must be seconds, 0 or more, or None for no limit, not {value}"):
        make(handler=nobody).jobs.wait(JOB_ID, timeout=value)

"""Probes of relay and worker are answered, whatever a check does."""

import json
import urllib.error
import urllib.request

import pytest

from shared.errors import TodokeError
from shared.runtime.ops_server import OpsServer


def test_a_check_that_is_broken_is_a_problem_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    def away() -> None:
        raise TodokeError("it is away")

    def broken() -> None:
        raise KeyError("secret-canary")

    server = OpsServer("127.0.0.1", 0, {"database": lambda: None, "queue": broken, "store": away})
    try:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/readyz", timeout=10)
    finally:
        server.close()

    with caught.value as answer:
        assert answer.code == 503
        assert json.loads(answer.read())["problems"] == {
            "queue": "its check is broken (KeyError); the log has more",
            "store": "it is away",
        }
    [line] = caplog.records
    assert (line.msg, line.exc_info is not None) == ("check.broken", True)

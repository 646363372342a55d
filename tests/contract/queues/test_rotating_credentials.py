"""Credentials that are renewed while the system runs: each call is signed with the current ones."""

from pathlib import Path

import pytest

from shared.queues.calls import ClientKind
from shared.queues.sqs import SqsQueue
from tests.support.rotating import Listening, renew_always


@pytest.mark.parametrize("kind", ["thin", "boto3"])
def test_a_call_is_signed_with_the_credentials_of_its_moment(
    kind: ClientKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew_always(tmp_path, monkeypatch)
    with Listening() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        queue = SqsQueue("http://127.0.0.1/0/q", region="us-east-1", client=kind)
        for _ in range(3):
            queue.receive(1, wait_s=0, visibility_s=30)

    assert len(server.keys) == 3
    assert server.keys == sorted(set(server.keys))

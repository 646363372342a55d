"""Credentials that are renewed while a store is open: each call and each link is signed with the current ones."""

from pathlib import Path

import pytest

from shared.artifacts.interface import ArtifactMissing
from shared.artifacts.s3 import S3Store
from tests.support.rotating import Listening, renew_always


def test_a_call_to_s3_is_signed_with_the_credentials_of_its_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew_always(tmp_path, monkeypatch)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with Listening() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        store = S3Store("bucket", "")
        for _ in range(3):
            with pytest.raises(ArtifactMissing):
                store.stat("reports/a/b/c/x.csv")

    assert len(server.keys) == 3
    assert server.keys == sorted(set(server.keys))

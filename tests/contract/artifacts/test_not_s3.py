"""What answers is not S3, but says 200: it is told as the store being away, by every call that reads an answer."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.artifacts.interface import ArtifactStore, ArtifactStoreUnavailable
from shared.artifacts.open import open_store
from tests.support.http_server import LoopbackServer, QuietHandler

KEY = "reports/acme/1/2/orders.csv"
DATA = b"day,orders\n"
SHA256 = hashlib.sha256(DATA).hexdigest()
# What is no XML at all, botocore itself takes for an error of S3.
PAGES = {
    "other fields": b"<R><Contents><Key>k</Key><Size>x</Size></Contents><Contents/></R>",
    "a date that is none": b"<R><Contents><Key>k</Key><Size>1</Size><LastModified>never</LastModified></Contents></R>",
}


@pytest.fixture(params=list(PAGES.values()), ids=list(PAGES))
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArtifactStore]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.body()
            self.answer(200, request.param)

        def do_PUT(self) -> None:
            self.do_GET()

        def do_HEAD(self) -> None:
            self.answer(200)

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDCANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    with LoopbackServer(Handler) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield open_store("s3://bucket/prefix", region="us-east-1")


def test_whatever_answers_in_the_place_of_s3_is_the_store_being_away(store: ArtifactStore, tmp_path: Path) -> None:
    file = tmp_path / "made"
    file.write_bytes(DATA)
    about = {"size_bytes": len(DATA), "sha256": SHA256}
    calls = (
        lambda: store.put(KEY, file, media_type="text/csv", sha256=SHA256, metadata={}),
        lambda: store.stat(KEY),
        lambda: store.locate(KEY, download_name="x", media_type="text/csv", expires_s=60, **about),  # type: ignore[arg-type]
        lambda: list(store.list("reports/")),
    )
    for call in calls:
        with pytest.raises(ArtifactStoreUnavailable, match="is not an answer of S3"):
            call()

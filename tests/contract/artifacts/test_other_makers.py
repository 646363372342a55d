"""Stores that implement only part of S3's API: detected before a job depends on it, each with its switch."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import boto3
import pytest

from deploy.local.emulator import Emulator
from shared.artifacts.interface import ArtifactStore, ArtifactStoreUnavailable, SignedUrl
from shared.artifacts.open import UnknownFeature, open_store
from shared.artifacts.s3_client import Feature
from shared.runtime.settings import ArtifactSettings
from tests.support.s3_proxy import Refuse, S3Proxy, batch_deletes, header

KEY = "reports/acme/1/2/orders.csv"
DATA = b"day,orders\n"


@pytest.fixture
def proxy(aws: Emulator, monkeypatch: pytest.MonkeyPatch, bucket: str) -> Iterator[S3Proxy]:
    with S3Proxy(aws.endpoint_url) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running


def whole_life(store: ArtifactStore, tmp_path: Path) -> None:
    """Everything that the services do with a file."""
    file, sha256 = tmp_path / "made", hashlib.sha256(DATA).hexdigest()
    file.write_bytes(DATA)
    for _ in range(2):
        store.put(KEY, file, media_type="text/csv", sha256=sha256, metadata={"job-id": "1"})
    with store.open(KEY) as stream:
        assert stream.read() == DATA
    place = store.locate(
        KEY, size_bytes=len(DATA), sha256=sha256, download_name="x", media_type="text/csv", expires_s=60
    )
    assert isinstance(place, SignedUrl)
    assert store.delete([KEY, KEY + ".never"]) == {}
    assert list(store.list("")) == []


REFUSALS = [
    pytest.param(header("if-none-match", 501, "NotImplemented"), ["conditional-writes"], "If-None-Match", id="501"),
    pytest.param(header("if-none-match", 400), ["conditional-writes"], "If-None-Match", id="without a code"),
    pytest.param(header("x-amz-checksum-sha256", 400, "InvalidArgument"), ["checksums"], "x-amz-checksum-sha256",
                 id="checksums"),
    pytest.param(header("x-amz-checksum-mode", 400, method="HEAD"), ["checksum-mode"], "x-amz-checksum-mode",
                 id="checksum mode at HEAD"),
    pytest.param(header("x-amz-checksum-mode", 400), ["checksum-mode"], "x-amz-checksum-mode", id="checksum mode"),
    pytest.param(header("x-amz-checksum", 403, "SignatureDoesNotMatch"), ["checksum-mode", "checksums"],
                 "x-amz-checksum-mode", id="a signature over a header that a proxy drops"),
]  # fmt: skip


@pytest.mark.parametrize(("refuse", "names", "told"), REFUSALS)
def test_a_header_that_is_refused_is_told_with_its_switch_and_the_switch_helps(
    refuse: Refuse, names: Sequence[str], told: str, proxy: S3Proxy, bucket: str, tmp_path: Path
) -> None:
    proxy.refuse = refuse
    with pytest.raises(ArtifactStoreUnavailable, match=told) as refusal:
        open_store(f"s3://{bucket}").check()
    assert f"ARTIFACT_S3_WITHOUT={','.join(names)} " in str(refusal.value)

    store = open_store(f"s3://{bucket}", s3_without=names)
    store.check()
    assert store.advice_on_deleting() == []
    whole_life(store, tmp_path)


def test_everything_that_is_refused_is_told_at_once(proxy: S3Proxy, bucket: str, tmp_path: Path) -> None:
    def refuse(request: object) -> tuple[int, str] | None:
        refusals = (r(request) for r in (header("if-none-match", 501), header("x-amz-checksum", 400)))  # type: ignore[arg-type]
        return next((refusal for refusal in refusals if refusal), None)

    proxy.refuse = refuse
    names = "checksum-mode,checksums,conditional-writes"
    with pytest.raises(ArtifactStoreUnavailable, match=f"ARTIFACT_S3_WITHOUT={names} "):
        open_store(f"s3://{bucket}").check()

    store = open_store(f"s3://{bucket}", s3_without=names.split(","))
    store.check()
    store.delete(["todoke-probe"])
    whole_life(store, tmp_path)


def test_what_was_switched_off_is_kept_in_the_remedy(proxy: S3Proxy, bucket: str) -> None:
    proxy.refuse = header("if-none-match", 501)

    with pytest.raises(ArtifactStoreUnavailable, match="ARTIFACT_S3_WITHOUT=checksums,conditional-writes "):
        open_store(f"s3://{bucket}", s3_without=["checksums"]).check()


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (400, "MissingContentMD5"), (405, "")])
def test_a_store_without_batch_deletes_is_emptied_file_by_file(
    status: int, code: str, proxy: S3Proxy, bucket: str, tmp_path: Path
) -> None:
    proxy.refuse = batch_deletes(status, code)
    store = open_store(f"s3://{bucket}")
    store.check()

    [advice] = store.advice_on_deleting()
    assert "one at a time" in advice
    whole_life(store, tmp_path)
    assert sum(request.path.endswith("?delete") for request in proxy.seen) == 1


def test_the_switch_asks_for_no_batch_at_all(proxy: S3Proxy, bucket: str, tmp_path: Path) -> None:
    whole_life(open_store(f"s3://{bucket}", s3_without=["batch-deletes"]), tmp_path)

    assert not any(request.path.endswith("?delete") for request in proxy.seen)


def test_a_file_that_may_not_be_deleted_keeps_its_row_with_either_way_of_deleting(proxy: S3Proxy, bucket: str) -> None:
    proxy.refuse = lambda request: (403, "AccessDenied") if request.method == "DELETE" else None

    kept = open_store(f"s3://{bucket}", s3_without=["batch-deletes"]).delete([KEY])
    assert kept == {KEY: "AccessDenied: not here"}


def test_a_store_that_ignores_conditions_is_told_and_works(
    aws: Emulator, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3Proxy(aws.endpoint_url, drop="if-none-match") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = open_store(f"s3://{bucket}")
        store.check()

        [advice] = store.advice_on_storing()
        assert "ignores If-None-Match" in advice
        store.delete(["todoke-probe"])
        whole_life(store, tmp_path)


def test_a_store_that_ignores_checksums_is_told(aws: Emulator, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with S3Proxy(aws.endpoint_url, drop="x-amz-checksum-sha256") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = open_store(f"s3://{bucket}")
        store.check()

        [advice] = store.advice_on_storing()
        assert "ignores x-amz-checksum-sha256" in advice


def test_the_probe_is_asked_until_it_passes_and_then_no_more(proxy: S3Proxy, bucket: str) -> None:
    store = open_store(f"s3://{bucket}/some/prefix")
    proxy.refuse = header("if-none-match", 501)
    for _ in range(2):
        with pytest.raises(ArtifactStoreUnavailable):
            store.check()
    proxy.refuse = lambda _: None
    store.check()
    proxy.seen.clear()
    store.check()

    assert [request.method for request in proxy.seen] == ["HEAD"]
    assert [o.key for o in store.list("")] == ["todoke-probe"]
    store.advice_on_deleting()
    assert list(store.list("")) == []


@pytest.mark.parametrize(
    ("method", "told"), [("PUT", "s3:PutObject"), ("HEAD", "s3:GetObject")], ids=["writing", "reading"]
)
def test_a_right_that_is_missing_is_named(method: str, told: str, proxy: S3Proxy, bucket: str) -> None:
    proxy.refuse = lambda r: (403, "AccessDenied") if r.method == method and "todoke-probe" in r.path else None

    with pytest.raises(ArtifactStoreUnavailable, match=told):
        open_store(f"s3://{bucket}").check()


def test_a_store_that_is_busy_is_away_and_blames_no_header(
    proxy: S3Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    proxy.refuse = header("if-none-match", 429, "SlowDown")

    with pytest.raises(ArtifactStoreUnavailable) as refusal:
        open_store(f"s3://{bucket}").check()
    assert "ARTIFACT_S3_WITHOUT" not in str(refusal.value)


def test_without_checksums_the_signature_covers_the_files_bytes(proxy: S3Proxy, bucket: str, tmp_path: Path) -> None:
    whole_life(open_store(f"s3://{bucket}", s3_without=["checksums"]), tmp_path)

    first = next(request for request in proxy.seen if request.method == "PUT")
    assert first.headers["x-amz-content-sha256"] == hashlib.sha256(DATA).hexdigest()
    assert not [name for request in proxy.seen for name in request.headers if name.startswith("x-amz-checksum-sha256")]


@pytest.mark.parametrize("without", [(), tuple(Feature)], ids=["AWS", "without anything"])
def test_a_file_that_changed_before_it_was_sent_in_parts_is_refused(
    without: Sequence[str], bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.artifacts.s3.MULTIPART_BYTES", 1)
    file = tmp_path / "made"
    file.write_bytes(b"changed")

    with pytest.raises(ArtifactStoreUnavailable, match="has changed"):
        open_store(f"s3://{bucket}", s3_without=without).put(
            KEY, file, media_type="text/csv", sha256=hashlib.sha256(b"meant").hexdigest(), metadata={}
        )
    assert boto3.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("names", [["checksum"], ["checksums", "nothing"]])
def test_a_switch_that_does_not_exist_is_told(names: Sequence[str]) -> None:
    with pytest.raises(
        UnknownFeature, match=r"ARTIFACT_S3_WITHOUT: '(checksum|nothing)' is unknown; (did you|there are)"
    ):
        open_store("s3://bucket", s3_without=names)


@pytest.mark.parametrize(
    ("written", "read"), [("", []), ("checksums", ["checksums"]), ("a,b , c d", ["a", "b", "c", "d"])]
)
def test_the_setting_is_a_list(written: str, read: Sequence[str]) -> None:
    assert ArtifactSettings.from_environment({"ARTIFACT_S3_WITHOUT": written}).s3_without == read

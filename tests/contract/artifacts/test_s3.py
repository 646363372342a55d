"""Faults that only S3 can have, and how a URL names a store."""

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import unquote

import boto3
import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.emulator import Emulator
from deploy.local.processes import free_port
from shared.artifacts import s3
from shared.artifacts.disk import DiskStore
from shared.artifacts.disposition import content_disposition
from shared.artifacts.interface import ArtifactExists, ArtifactStoreUnavailable, SignedUrl
from shared.artifacts.open import UnknownArtifactUrl, open_store
from shared.artifacts.s3 import S3Store

KEY = "reports/acme/1/2/orders.csv"


def put(store: S3Store, file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    store.put(KEY, file, media_type="text/csv", sha256=digest, metadata={"job-id": "1"})


def test_large_files_travel_in_parts_and_are_written_once_too(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "MULTIPART_BYTES", 6 << 20)
    store, file = S3Store(bucket, ""), tmp_path / "large.csv"
    file.write_bytes(bytes(range(256)) * (80 << 10))  # 20 MB

    put(store, file)
    head = boto3.client("s3").head_object(Bucket=bucket, Key=KEY)
    assert head["ContentLength"] == file.stat().st_size
    assert head["ETag"].strip('"').endswith("-3")  # three parts of 8 MB
    assert head["Metadata"] == {"job-id": "1", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    with store.open(KEY) as stream:
        assert hashlib.sha256(stream.read()).hexdigest() == head["Metadata"]["sha256"]
    put(store, file)

    file.write_bytes(b"x" * (7 << 20))
    with pytest.raises(ArtifactExists):
        put(store, file)
    assert store.stat(KEY).size_bytes == 20 << 20


def test_s3_keeps_the_digest_that_it_checked(bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "small.csv"
    file.write_bytes(b"a,b\n")
    put(S3Store(bucket, "here/"), file)

    head = boto3.client("s3").head_object(Bucket=bucket, Key=f"here/{KEY}", ChecksumMode="ENABLED")
    assert head["ContentType"] == "text/csv"
    assert base64.b64decode(head["ChecksumSHA256"]) == hashlib.sha256(b"a,b\n").digest()


def test_a_bucket_that_does_not_exist_is_a_store_that_is_away(aws: Emulator, tmp_path: Path) -> None:
    store, file = S3Store("no-such-bucket", ""), tmp_path / "x.csv"
    file.write_bytes(b"x")

    with pytest.raises(ArtifactStoreUnavailable, match="no-such-bucket"):
        store.check()
    with pytest.raises(ArtifactStoreUnavailable):
        put(store, file)
    with pytest.raises(ArtifactStoreUnavailable):
        list(store.list("reports/"))


def test_an_s3_that_does_not_answer_is_a_store_that_is_away(
    aws: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(s3, "MULTIPART_BYTES", 1)
    store, file = S3Store("artifacts", ""), tmp_path / "x.csv"
    file.write_bytes(b"xyz")

    with pytest.raises(ArtifactStoreUnavailable, match="does not answer"):
        store.stat(KEY)
    with pytest.raises(ArtifactStoreUnavailable):
        store._upload_parts(KEY, file, {})


@given(st.text(max_size=200))
def test_no_name_can_break_out_of_a_content_disposition(name: str) -> None:
    header = content_disposition(name)

    match = re.fullmatch(
        r"attachment; filename=\"([A-Za-z0-9._ -]*)\"(; filename\*=UTF-8''([A-Za-z0-9._~%-]*))?", header
    )
    assert match is not None
    assert (unquote(match[3], errors="strict") if match[2] else match[1]) == name


def test_a_name_that_is_no_unicode_is_still_a_header() -> None:
    assert content_disposition("a\ud800b").endswith("filename*=UTF-8''a%3Fb")


def test_urls_name_stores(tmp_path: Path) -> None:
    store = open_store((tmp_path / "with space").as_uri())

    assert isinstance(store, DiskStore)
    store.check()
    assert (tmp_path / "with space").is_dir()
    assert isinstance(open_store("s3://bucket/prefix", region="eu-central-1"), S3Store)


@pytest.mark.parametrize(
    "url",
    ["", "/var/lib", "file://host/var", "file:relative", "file:///", "s3://", "s3:///prefix", "s3://key:secret@bucket/",
     "https://bucket.s3.amazonaws.com", "s3://bucket/x?versionId=1", "S3"],
)  # fmt: skip
def test_other_urls_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(UnknownArtifactUrl, match=r"file:///absolute/folder or s3://bucket/prefix") as refusal:
        open_store(url)
    assert "secret" not in str(refusal.value)


def test_a_link_leads_to_the_address_that_clients_use(bucket: str, aws: Emulator, tmp_path: Path) -> None:
    public = aws.endpoint_url.replace("127.0.0.1", "localhost")
    store = open_store(f"s3://{bucket}", links_at=public)
    file = tmp_path / "small.csv"
    file.write_bytes(b"a,b\n")
    assert isinstance(store, S3Store)
    put(store, file)

    link = store.locate(
        KEY,
        size_bytes=4,
        sha256=hashlib.sha256(b"a,b\n").hexdigest(),
        download_name="small.csv",
        media_type="text/csv",
        expires_s=60,
    )

    assert isinstance(link, SignedUrl)
    assert link.url.startswith(f"{public}/")
    assert httpx.get(link.url, timeout=20).content == b"a,b\n"

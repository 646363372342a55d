"""Both artifact stores keep the same promises."""

import hashlib
import re
import urllib.parse
import urllib.request
from pathlib import Path
from uuid import UUID, uuid4

import boto3
import pytest

from deploy.local.emulator import REGION, Emulator
from shared.artifacts.disk import DiskStore
from shared.artifacts.disposition import content_disposition
from shared.artifacts.interface import (
    ArtifactDamaged,
    ArtifactMissing,
    ArtifactStore,
    ArtifactStoreUnavailable,
    SignedUrl,
    artifact_key,
    parse_key,
)
from shared.artifacts.open import UnknownArtifactUrl, open_store

KEY = artifact_key("acme", UUID(int=1 << 124 | 0xA), UUID(int=2 << 124 | 0xB), "report.csv")


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "disk":
        return open_store((tmp_path / "store").as_uri())
    request.getfixturevalue("aws")
    bucket = f"bucket-{uuid4()}"
    boto3.client("s3", region_name=REGION).create_bucket(Bucket=bucket)
    return open_store(f"s3://{bucket}/some/prefix", region=REGION)


def put(store: ArtifactStore, tmp_path: Path, content: bytes = b"day\n", key: str = KEY) -> str:
    file = tmp_path / "made"
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    stored = store.put(key, file, media_type="text/csv", sha256=digest, metadata={"job-id": "x"})
    assert (stored.key, stored.size_bytes) == (key, len(content))
    return digest


def test_what_is_put_is_there_whole(store: ArtifactStore, tmp_path: Path) -> None:
    put(store, tmp_path, b"x" * 3_000_000)

    assert store.stat(KEY).size_bytes == 3_000_000
    with store.open(KEY) as stream:
        assert stream.read() == b"x" * 3_000_000


def test_a_file_that_is_not_what_was_announced_is_refused(store: ArtifactStore, tmp_path: Path) -> None:
    file = tmp_path / "made"
    file.write_bytes(b"torn")
    with pytest.raises(ArtifactStoreUnavailable):
        store.put(KEY, file, media_type="text/csv", sha256="0" * 64, metadata={})
    with pytest.raises(ArtifactMissing):
        store.stat(KEY)


def test_listing_and_deleting(store: ArtifactStore, tmp_path: Path) -> None:
    other = artifact_key("other", uuid4(), uuid4(), "report.csv")
    put(store, tmp_path)
    put(store, tmp_path, key=other)

    assert [o.key for o in store.list("reports/acme/")] == [KEY]
    assert store.delete([KEY, artifact_key("acme", uuid4(), uuid4(), "never.csv")]) == {}
    assert store.delete([KEY]) == {}
    assert [o.key for o in store.list("reports/")] == [other]
    assert store.delete([]) == {}


def test_a_missing_object_is_told(store: ArtifactStore) -> None:
    for look in (store.stat, store.open):
        with pytest.raises(ArtifactMissing):
            look(KEY)


def test_a_client_gets_the_bytes_where_it_is_sent(store: ArtifactStore, tmp_path: Path) -> None:
    put(store, tmp_path, b"day\n")
    place = store.locate(
        KEY,
        size_bytes=4,
        sha256=hashlib.sha256(b"day\n").hexdigest(),
        download_name='evil"\r\n.csv',
        media_type="text/csv",
        expires_s=60,
    )

    if isinstance(place, SignedUrl):
        assert "X-Amz-Expires=60" in place.url
        with urllib.request.urlopen(place.url, timeout=10) as answer:  # noqa: S310 - the emulator  # noqa: S310
            assert answer.read() == b"day\n"
    else:
        assert b"".join(place.pieces()) == b"day\n"


def test_check(store: ArtifactStore) -> None:
    store.check()


def test_a_bucket_that_is_not_there_is_unavailable(aws: Emulator, tmp_path: Path) -> None:
    store = open_store("s3://no-such-bucket-at-all", region=REGION)

    with pytest.raises(ArtifactStoreUnavailable):
        store.check()


def test_a_full_or_forbidden_disk_is_unavailable_and_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file stands where the folder should be")
    store = DiskStore(tmp_path / "store")

    with pytest.raises(ArtifactStoreUnavailable):
        put(store, tmp_path)
    with pytest.raises(ArtifactStoreUnavailable):
        store.check()


@pytest.mark.parametrize(
    "key",
    [
        "reports/acme/x/y/report.csv", "reports/acme", "else/" + KEY.partition("/")[2], KEY + "/more", KEY.upper(),
        KEY.replace("-", "", 1), KEY.rpartition("/")[0] + "/",
    ],
)  # fmt: skip
def test_only_the_keys_that_attempts_make_are_taken_for_theirs(key: str) -> None:
    assert parse_key(key) is None


def test_a_key_tells_its_parts() -> None:
    job_id, token = uuid4(), uuid4()

    assert parse_key(artifact_key("acme", job_id, token, "a b.csv")) == ("acme", job_id, token, "a b.csv")


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", ".", "a\\b", "a\0b"])
def test_a_name_cannot_lead_anywhere_else(name: str) -> None:
    with pytest.raises(ValueError):
        artifact_key("acme", uuid4(), uuid4(), name)


def test_a_key_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    for key in ("../outside", "/etc/passwd", "reports/../../outside"):
        with pytest.raises(ValueError):
            DiskStore(tmp_path / "store").stat(key)


@pytest.mark.parametrize("url", ["", "reports", "file://host/x", "http://x/y", "s3://", "file:relative"])
def test_an_url_that_names_no_store_is_explained(url: str) -> None:
    with pytest.raises(UnknownArtifactUrl, match="file:///absolute/folder or s3://bucket/prefix"):
        open_store(url)


def test_a_download_name_cannot_break_out_of_its_header() -> None:
    header = content_disposition('a"\r\nSet-Cookie: x; é.csv')

    assert "\r" not in header
    assert header.startswith("attachment; filename=\"a___Set-Cookie_ x_ _.csv\"; filename*=UTF-8''a%22%0D%0A")


def test_a_small_object_is_read_as_it_was_stored_or_not_at_all(store: ArtifactStore, tmp_path: Path) -> None:
    digest = put(store, tmp_path)

    assert store.read(KEY, size_bytes=4, sha256=digest) == b"day\n"
    for size, sha256 in ((3, digest), (5, digest), (4, "0" * 64)):
        with pytest.raises(ArtifactDamaged):
            store.read(KEY, size_bytes=size, sha256=sha256)
    store.delete([KEY])
    with pytest.raises(ArtifactMissing):
        store.read(KEY, size_bytes=4, sha256=digest)


NAMES = [
    "تقرير المبيعات ٢٠٢٦.csv", "รายงานยอดขาย.csv", "売上報告書 令和8年.csv", "דוח מכירות.csv",
    "विक्रय प्रतिवेदन.csv", "Łódź.csv",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_is_stored_found_and_told_to_browsers(
    store: ArtifactStore, tmp_path: Path, name: str
) -> None:
    key = artifact_key("acme", uuid4(), uuid4(), name)
    digest = put(store, tmp_path, b"day\n", key)

    parsed = parse_key(key)
    assert parsed is not None
    assert parsed[3] == name
    assert [listed.key for listed in store.list("")] == [key]
    assert store.read(key, size_bytes=4, sha256=digest) == b"day\n"
    place = store.locate(key, size_bytes=4, sha256=digest, download_name=name, media_type="text/csv", expires_s=60)
    header = content_disposition(name)
    if isinstance(place, SignedUrl):
        with urllib.request.urlopen(place.url, timeout=10) as answer:  # noqa: S310 - the emulator
            assert answer.headers["Content-Disposition"] == header
    # As a browser reads it (RFC 8187): the extended name, and before it one for those that know none.
    found = re.fullmatch(r"attachment; filename=\"([ -~]+)\"; filename\*=UTF-8''([!-~]+)", header)
    assert found is not None
    plain, extended = found.groups()
    assert urllib.parse.unquote(extended) == name
    assert plain.endswith(".csv")
    store.delete([key])
    assert list(store.list("")) == []

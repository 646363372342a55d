"""Versioned buckets: retention removes every version, or tells the operator what stays."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from deploy.local.emulator import Emulator
from shared.artifacts.interface import ArtifactStoreUnavailable
from shared.artifacts.s3 import S3Store
from tests.support.s3_proxy import S3Proxy, batch_deletes

KEY = "reports/acme/1/2/orders.csv"
OTHER = "reports/acme/1/2/orders.csv.more"


@pytest.fixture(params=["ministack", "moto"])
def s3(request: pytest.FixtureRequest, aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """Two servers' S3, each behind a proxy that lets everything pass."""
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(_moto()) if request.param == "moto" else aws.endpoint_url
        proxy = stack.enter_context(S3Proxy(address))
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


@contextlib.contextmanager
def _moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def versioned(s3: S3Proxy, request: pytest.FixtureRequest) -> str:
    bucket: str = request.getfixturevalue("bucket")
    boto3.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def versions(bucket: str) -> list[str]:
    found: dict[str, Any] = boto3.client("s3").list_object_versions(Bucket=bucket)
    return sorted(one["Key"] for kind in ("Versions", "DeleteMarkers") for one in found.get(kind, ()))


def put(store: S3Store, tmp_path: Path, key: str = KEY) -> None:
    file = tmp_path / "made"
    file.write_bytes(b"data")
    store.put(key, file, media_type="text/csv", sha256=hashlib.sha256(b"data").hexdigest(), metadata={})


def overwrite(bucket: str, key: str = KEY) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"again")


@pytest.mark.parametrize("batches", [True, False])
def test_every_version_goes_and_no_marker_stays(batches: bool, s3: S3Proxy, versioned: str, tmp_path: Path) -> None:
    s3.refuse = s3.refuse if batches else batch_deletes(501)
    store, client = S3Store(versioned, ""), boto3.client("s3")
    put(store, tmp_path)
    overwrite(versioned)
    client.delete_object(Bucket=versioned, Key=KEY)  # an older release's retention
    overwrite(versioned)
    put(store, tmp_path, OTHER)

    assert store.delete([KEY]) == {}
    assert versions(versioned) == [OTHER]
    assert store.delete([KEY, OTHER]) == {}
    assert versions(versioned) == []
    assert not [advice for advice in store.advice_on_deleting() if "versions" in advice]


@pytest.mark.parametrize("s3", ["ministack"], indirect=True)  # moto answers 500 to the deletion of a last marker then
def test_versions_from_before_versioning_was_suspended_go_too(s3: S3Proxy, versioned: str, tmp_path: Path) -> None:
    store = S3Store(versioned, "")
    put(store, tmp_path)
    overwrite(versioned)
    boto3.client("s3").put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})

    assert store.delete([KEY]) == {}
    assert versions(versioned) == []


def test_the_probe_leaves_no_versions(versioned: str) -> None:
    store = S3Store(versioned, "some/prefix")
    store.check()

    assert store.advice_on_deleting() == []
    assert versions(versioned) == []


def test_versioning_that_is_switched_on_later_is_noticed(
    s3: S3Proxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, client = S3Store(bucket, ""), boto3.client("s3")
    put(store, tmp_path)
    store.delete([KEY])
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put(store, tmp_path)
    monkeypatch.setattr("shared.artifacts.s3_deletion._LOOK_AGAIN_S", -1.0)
    store.delete([KEY])

    assert versions(bucket) == []


def test_without_the_right_to_list_versions_a_marker_is_left_and_the_rule_is_named(
    s3: S3Proxy, versioned: str, tmp_path: Path
) -> None:
    store = S3Store(versioned, "")
    put(store, tmp_path)
    s3.refuse = lambda r: (403, "AccessDenied") if "versions" in r.path.partition("?")[2].split("&") else None

    [advice] = store.advice_on_deleting()
    assert "NoncurrentVersionExpiration" in advice
    assert "s3:ListBucketVersions" in advice
    assert store.delete([KEY]) == {}
    s3.refuse = lambda _: None
    assert list(store.list("")) == []
    assert KEY in versions(versioned)


def test_without_the_right_to_ask_for_versioning_the_operator_is_told(s3: S3Proxy, bucket: str) -> None:
    s3.refuse = lambda r: (403, "AccessDenied") if r.path.endswith("?versioning") else None

    [advice] = S3Store(bucket, "").advice_on_deleting()
    assert "s3:GetBucketVersioning" in advice


def test_a_store_that_knows_no_versioning_needs_no_advice(s3: S3Proxy, bucket: str, tmp_path: Path) -> None:
    s3.refuse = lambda r: (501, "NotImplemented") if r.path.endswith("?versioning") else None
    store = S3Store(bucket, "")
    put(store, tmp_path)

    assert store.advice_on_deleting() == []
    assert store.delete([KEY]) == {}
    assert list(store.list("")) == []


def test_a_version_that_may_not_go_keeps_its_row(s3: S3Proxy, versioned: str, tmp_path: Path) -> None:
    """Object Lock, or a missing s3:DeleteObjectVersion."""
    store = S3Store(versioned, "", without=frozenset())
    put(store, tmp_path)

    def refuse(request: Any) -> tuple[int, str] | None:
        if request.path.endswith("?delete"):
            return 501, "NotImplemented"
        return (403, "AccessDenied") if request.method == "DELETE" and "versionId" in request.path else None

    s3.refuse = refuse
    assert list(store.delete([KEY])) == [KEY]
    assert versions(versioned) == [KEY]


def test_an_s3_that_is_away_is_told(s3: S3Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.refuse = lambda r: (429, "SlowDown") if r.path.endswith("?versioning") else None
    store = S3Store(bucket, "")

    with pytest.raises(ArtifactStoreUnavailable):
        store.delete([KEY])

"""Stores artifacts in Amazon S3, or anything with a compatible API. Needs boto3: the `s3` extra."""

import base64
import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from shared.artifacts.disposition import content_disposition
from shared.artifacts.interface import (
    ArtifactDamaged,
    ArtifactExists,
    ArtifactMissing,
    ArtifactStoreUnavailable,
    SignedUrl,
    StoredObject,
    check_key,
)
from shared.artifacts.s3_client import THE_BUCKET, Feature, code, make_client, told_as_ours
from shared.artifacts.s3_deletion import Deletion
from shared.artifacts.s3_probe import PROBE, Probe
from shared.artifacts.whole import whole

MULTIPART_BYTES = 64 * 1024 * 1024
"""Larger files are uploaded in parts: S3 takes at most 5 GiB in one PUT (S3 user guide, read 2026-11-23)."""

_LOOK_S = 5.0
"""Seconds that a client's request waits for S3 to describe an object, at most twice."""


class S3Store:
    """Each object is `prefix/key` in one bucket. S3 makes an object visible only when it is complete."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        region: str | None = None,
        links_at: str | None = None,
        without: frozenset[Feature] = frozenset(),
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._region = region
        self._without = without
        self._client = make_client(region, without=without)
        # A signature covers the host's name, so a link is signed for the address at which it is used.
        self._signer = make_client(region, endpoint_url=links_at) if links_at else self._client
        self._deletion = Deletion(self._client, bucket, without)
        self._probed: Sequence[str] | None = None

    @cached_property
    def _looker(self) -> Any:
        return make_client(self._region, without=self._without, read_timeout_s=_LOOK_S, tries=2)

    def put(
        self, key: str, file: Path, *, media_type: str, sha256: str, metadata: Mapping[str, str], given: bool = False
    ) -> StoredObject:
        """See `ArtifactStore.put`. S3 itself computes the SHA-256 of what arrived and refuses a mismatch.

        A PUT is conditional on the key being free. An upload in parts checks that beforehand, which is not atomic: the
        lease token in the key keeps two writers apart.
        """
        del given  # the file is sent, and never kept
        check_key(key)
        size = file.stat().st_size
        about = {"ContentType": media_type, "Metadata": {**metadata, "sha256": sha256}}
        in_parts = size > MULTIPART_BYTES
        if in_parts or Feature.CHECKSUMS in self._without:
            # Then S3 checks each request's body, but not the whole.
            _must_be(file, sha256)
        if (in_parts or Feature.CONDITIONAL_WRITES in self._without) and self._is_stored(key):
            return self._verified(key, size, sha256)
        if in_parts:
            self._upload_parts(key, file, about)
        else:
            self._put_whole(key, file, sha256, about)
        return self._verified(key, size, sha256)

    def _put_whole(self, key: str, file: Path, sha256: str, about: Mapping[str, Any]) -> None:
        how = dict(about)
        if Feature.CHECKSUMS not in self._without:
            how["ChecksumSHA256"] = base64.b64encode(bytes.fromhex(sha256)).decode()
        if Feature.CONDITIONAL_WRITES not in self._without:
            how["IfNoneMatch"] = "*"
        with told_as_ours(self._bucket, key):
            try:
                with file.open("rb") as body:
                    self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body, **how)
            except ClientError as error:
                # The key is taken, perhaps by our own first try whose answer was lost: `_verified` finds out.
                if code(error) != "PreconditionFailed":
                    raise

    def _upload_parts(self, key: str, file: Path, about: Mapping[str, Any]) -> None:
        """Upload in parts.

        S3 checks each part on arrival; the whole is checked by its size and the digest kept beside it.
        """
        checksums = {} if Feature.CHECKSUMS in self._without else {"ChecksumAlgorithm": "SHA256"}
        with told_as_ours(self._bucket, key):
            self._client.upload_file(
                str(file),
                self._bucket,
                self._prefix + key,
                ExtraArgs={**about, **checksums},
                Config=TransferConfig(multipart_threshold=MULTIPART_BYTES, max_concurrency=4),
            )

    def _is_stored(self, key: str) -> bool:
        try:
            self._head(key)
        except ArtifactMissing:
            return False
        return True

    def _verified(self, key: str, size: int, sha256: str) -> StoredObject:
        stored = self._head(key)
        if not _holds(stored, size, sha256) or stored.get("Metadata", {}).get("sha256") != sha256:
            raise ArtifactExists(f"{key} holds {stored['ContentLength']} bytes other than the {size} to be stored")
        return StoredObject(key, size, stored["LastModified"])

    def stat(self, key: str) -> StoredObject:
        """See `ArtifactStore.stat`."""
        found = self._head(key)
        return StoredObject(key, found["ContentLength"], found["LastModified"])

    def open(self, key: str) -> BinaryIO:
        """See `ArtifactStore.open`."""
        check_key(key)
        with told_as_ours(self._bucket, key):
            return cast("BinaryIO", self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"])

    def read(self, key: str, *, size_bytes: int, sha256: str) -> bytes:
        """See `ArtifactStore.read`. A client waits for it, so it uses the time limits of `locate`."""
        check_key(key)
        with told_as_ours(self._bucket, key):
            body = self._looker.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"]
            with contextlib.closing(body):
                content: bytes = body.read(size_bytes + 1)
        return whole(key, content, size_bytes=size_bytes, sha256=sha256)

    def locate(
        self, key: str, *, size_bytes: int, sha256: str, download_name: str, media_type: str, expires_s: int
    ) -> SignedUrl:
        """See `ArtifactStore.locate`. One HEAD shows whether the object is still the one that was stored.

        S3 checks the integrity of what it keeps; another object under this key has another size or digest. A link
        signed with temporary credentials expires with them, however long `expires_s` is.
        """
        stored = self._head(key, self._looker)
        if not _holds(stored, size_bytes, sha256):
            raise ArtifactDamaged(f"{key} is another object than was stored: {stored['ContentLength']} bytes")
        with told_as_ours(self._bucket, key):
            url = self._signer.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._bucket,
                    "Key": self._prefix + key,
                    "ResponseContentType": media_type,
                    "ResponseContentDisposition": content_disposition(download_name),
                },
                ExpiresIn=expires_s,
            )
        return SignedUrl(url)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ArtifactStore.list`."""
        with told_as_ours(self._bucket, prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    yield StoredObject(item["Key"].removeprefix(self._prefix), item["Size"], item["LastModified"])

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """See `ArtifactStore.delete`. One request, and one listing for each attempt where the bucket keeps versions."""
        for key in keys:
            check_key(key)
        kept = self._deletion.delete([self._prefix + key for key in keys]) if keys else {}
        return {key.removeprefix(self._prefix): reason for key, reason in kept.items()}

    def check(self) -> None:
        """See `ArtifactStore.check`. The probe runs until it has passed once."""
        with told_as_ours(self._bucket, THE_BUCKET):
            self._client.head_bucket(Bucket=self._bucket)
        if self._probed is None:
            self._probed = Probe(self._client, self._bucket, self._prefix, self._without).run()

    def advice_on_storing(self) -> Sequence[str]:
        """See `ArtifactStore.advice_on_storing`."""
        return self._probed or ()

    def advice_on_deleting(self) -> Sequence[str]:
        """See `ArtifactStore.advice_on_deleting`. Also removes the probe object of a worker that may not do so."""
        self.delete([PROBE])
        return self._deletion.advice()

    def _head(self, key: str, client: Any = None) -> Mapping[str, Any]:
        check_key(key)
        unasked = self._without & {Feature.CHECKSUMS, Feature.CHECKSUM_MODE}
        how = {} if unasked else {"ChecksumMode": "ENABLED"}
        with told_as_ours(self._bucket, key):
            found = (client or self._client).head_object(Bucket=self._bucket, Key=self._prefix + key, **how)
            # Whoever asks reads these two, so an answer without them is not one of S3.
            return {**found, **{name: found[name] for name in ("ContentLength", "LastModified")}}


def _holds(stored: Mapping[str, Any], size: int, sha256: str) -> bool:
    """True if S3 describes an object of this size and digest. It may have no digest: a copy loses metadata."""
    of_whole = stored.get("ChecksumSHA256", "")  # one with a dash and a number is over the parts' checksums
    digests = {base64.b64decode(of_whole).hex()} if of_whole and "-" not in of_whole else set()
    digests |= {digest for name, digest in stored.get("Metadata", {}).items() if name == "sha256"}
    return bool(stored["ContentLength"] == size and digests <= {sha256})


def _must_be(file: Path, sha256: str) -> None:
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != sha256:
        raise ArtifactStoreUnavailable(f"the file to be stored has changed: SHA-256 {found}, not {sha256}")

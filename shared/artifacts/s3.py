"""Keeps artifacts in Amazon S3, or anything that speaks its API. Needs boto3: the `s3` extra."""

import base64
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.artifacts.interface import (
    ArtifactExists,
    ArtifactMissing,
    ArtifactStoreUnavailable,
    SignedUrl,
    StoredObject,
    check_key,
)

MULTIPART_BYTES = 64 * 1024 * 1024
"""Larger files travel in parts: S3 takes at most 5 GiB in one PUT (S3 user guide, read 2026-11-23)."""

_THE_BUCKET = "the bucket"


def make_client(region: str | None, *, endpoint_url: str | None = None) -> Any:
    """An S3 client whose every call is bounded in time. Credentials and endpoint come the standard AWS way."""
    return boto3.session.Session().client(
        "s3",
        region_name=region,
        endpoint_url=endpoint_url,
        config=Config(
            connect_timeout=3,
            read_timeout=30,
            tcp_keepalive=True,
            retries={"mode": "standard", "total_max_attempts": 4},
            signature_version="s3v4",
            # Emulators rarely serve bucket.host names; AWS accepts both for buckets in use.
            s3={"addressing_style": "auto"},
        ),
    )


class S3Store:
    """Each object is `prefix/key` in one bucket. S3 shows an object only when it is whole."""

    def __init__(self, bucket: str, prefix: str, *, region: str | None = None, links_at: str | None = None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = make_client(region)
        # A signature covers the host's name, so a link is signed for the address at which it is used.
        self._signer = make_client(region, endpoint_url=links_at) if links_at else self._client

    def put(self, key: str, file: Path, *, media_type: str, sha256: str, metadata: Mapping[str, str]) -> StoredObject:
        """See `ArtifactStore.put`. S3 itself computes the SHA-256 of what arrived and refuses another one.

        A PUT is conditional on the key being free. An upload in parts looks first, which is not atomic: the lease
        token in the key keeps two writers apart.
        """
        check_key(key)
        size = file.stat().st_size
        about = {"ContentType": media_type, "Metadata": {**metadata, "sha256": sha256}}
        if size > MULTIPART_BYTES:
            if not self._is_stored(key):
                self._upload_parts(key, file, about)
        else:
            self._put_whole(key, file, sha256, about)
        return self._verified(key, size, sha256)

    def _put_whole(self, key: str, file: Path, sha256: str, about: Mapping[str, Any]) -> None:
        about = {**about, "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(), "IfNoneMatch": "*"}
        with self._errors(key):
            try:
                with file.open("rb") as body:
                    self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body, **about)
            except ClientError as error:
                # The key is taken, perhaps by our own first try whose answer was lost: `_verified` finds out.
                if _code(error) != "PreconditionFailed":
                    raise

    def _upload_parts(self, key: str, file: Path, about: Mapping[str, Any]) -> None:
        """S3 checks each part on arrival; the whole is checked by size and by the digest kept beside it."""
        with self._errors(key):
            self._client.upload_file(
                str(file),
                self._bucket,
                self._prefix + key,
                ExtraArgs={**about, "ChecksumAlgorithm": "SHA256"},
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
        of_whole = stored.get("ChecksumSHA256", "")  # one with a dash and a number is over the parts' checksums
        same = stored["ContentLength"] == size and stored.get("Metadata", {}).get("sha256") == sha256
        if not same or (of_whole and "-" not in of_whole and base64.b64decode(of_whole).hex() != sha256):
            raise ArtifactExists(f"{key} holds {stored['ContentLength']} bytes other than the {size} to be stored")
        return StoredObject(key, size, stored["LastModified"])

    def stat(self, key: str) -> StoredObject:
        """See `ArtifactStore.stat`."""
        found = self._head(key)
        return StoredObject(key, found["ContentLength"], found["LastModified"])

    def open(self, key: str) -> BinaryIO:
        """See `ArtifactStore.open`."""
        check_key(key)
        with self._errors(key):
            return cast("BinaryIO", self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"])

    def locate(self, key: str, *, download_name: str, media_type: str, expires_s: int) -> SignedUrl:
        """See `ArtifactStore.locate`. Signing asks nobody; a missing object answers 404 at the link.

        A link signed with temporary credentials ends with them, however long `expires_s` is.
        """
        check_key(key)
        with self._errors(key):
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
        with self._errors(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    yield StoredObject(item["Key"].removeprefix(self._prefix), item["Size"], item["LastModified"])

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """See `ArtifactStore.delete`. One request."""
        for key in keys:
            check_key(key)
        if not keys:
            return {}
        objects = [{"Key": self._prefix + key} for key in keys]
        with self._errors(_THE_BUCKET):
            answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})
        return {
            error["Key"].removeprefix(self._prefix): f"{error.get('Code')}: {error.get('Message')}"
            for error in answer.get("Errors", [])
            if error.get("Code") != "NoSuchKey"
        }

    def check(self) -> None:
        """See `ArtifactStore.check`."""
        with self._errors(_THE_BUCKET):
            self._client.head_bucket(Bucket=self._bucket)

    def _head(self, key: str) -> Mapping[str, Any]:
        check_key(key)
        with self._errors(key):
            return cast(
                "Mapping[str, Any]",
                self._client.head_object(Bucket=self._bucket, Key=self._prefix + key, ChecksumMode="ENABLED"),
            )

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = _code(error)
            if code in {"404", "NoSuchKey", "NotFound"} and what != _THE_BUCKET:
                raise ArtifactMissing(f"no artifact {what}") from None
            raise ArtifactStoreUnavailable(f"S3 refused {what} in bucket {self._bucket}: {code}") from None
        except (BotoCoreError, Boto3Error) as error:
            raise ArtifactStoreUnavailable(f"S3 does not answer: {type(error).__name__}: {error}") from None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def content_disposition(name: str) -> str:
    """The header `attachment` with a file name that any browser understands and none can be tricked by (RFC 6266)."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"

"""Deleting from a bucket: in batches or one by one, with every version that the bucket keeps."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, takewhile
from typing import Any

from botocore.exceptions import ClientError

from shared.artifacts.interface import LIST_PAGE
from shared.artifacts.s3_client import THE_BUCKET, Feature, code, status, told_as_ours

_LOOK_AGAIN_S = 3600.0
"""An operator may switch versioning on by hand; a request per hour notices it."""
_NOT_OFFERED = {400, 405, 411, 501}
"""Errors of stores that do not know DeleteObjects, or require another digest than current SDKs send."""
_RULE = "a lifecycle rule with NoncurrentVersionExpiration"

Version = Mapping[str, str]
"""An object identifier in S3's terms: a key, and a version's id where the bucket keeps versions."""


class Deletion:
    """Removes objects of one bucket. Keys include the prefix."""

    def __init__(self, client: Any, bucket: str, without: frozenset[Feature]) -> None:
        self._client = client
        self._bucket = bucket
        # DeleteObjects is never sent without a checksum: S3 demands one.
        self._in_batches = not without & {Feature.BATCH_DELETES, Feature.CHECKSUMS}
        self._batches_refused = False
        self._keeps_versions = False
        self._looked_at = float("-inf")

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Return the keys of which something is left, each with the reason. Raises ArtifactStoreUnavailable."""
        with told_as_ours(self._bucket, THE_BUCKET):
            kept: dict[str, str] = {}
            named = self._named(keys)
            for at in range(0, len(named), LIST_PAGE):
                kept |= self._delete(named[at : at + LIST_PAGE])
            return kept

    def advice(self) -> list[str]:
        """Return what stays in the bucket, or is slow to leave it, a sentence each. Raises ArtifactStoreUnavailable."""
        with told_as_ours(self._bucket, THE_BUCKET):
            return [*self._on_versions(), *self._on_batches()]

    def _on_versions(self) -> Iterator[str]:
        rights = "grant the relay s3:ListBucketVersions and s3:DeleteObjectVersion"
        try:
            if not self._versioning():
                return
            self._client.list_object_versions(Bucket=self._bucket, MaxKeys=1)
        except ClientError as error:
            if status(error) != 403:
                return
            if error.operation_name == "GetBucketVersioning":
                yield (
                    f"Nobody may ask whether bucket {self._bucket} keeps versions (s3:GetBucketVersioning). "
                    f"If it does, removed files stay as older versions: {rights}, or add {_RULE}."
                )
            else:
                yield (
                    f"Bucket {self._bucket} keeps versions, and they may not be listed: removed files stay as older "
                    f"versions until {_RULE} ends them, or {rights}."
                )

    def _on_batches(self) -> Iterator[str]:
        if self._batches_refused:
            yield (
                f"The S3 store of bucket {self._bucket} refuses DeleteObjects: files are removed one at a time. "
                f"ARTIFACT_S3_WITHOUT={Feature.BATCH_DELETES} says so, and no batch is tried."
            )

    def _named(self, keys: Sequence[str]) -> list[Version]:
        """Return what to delete: the keys themselves, or all their versions and delete markers."""
        plain: list[Version] = [{"Key": key} for key in keys]
        try:
            if time.monotonic() > self._looked_at + _LOOK_AGAIN_S:
                self._keeps_versions = self._versioning()
                self._looked_at = time.monotonic()
            if not self._keeps_versions:
                return plain
            return list(self._versions(keys))
        except ClientError as error:
            if status(error) not in {400, 403, 405, 501}:
                raise
            # Without permission to ask, at least a delete marker is made; `advice` has mentioned what removes the
            # rest.
            self._keeps_versions, self._looked_at = False, time.monotonic()
            return plain

    def _versioning(self) -> bool:
        """True if the bucket may hold older versions, as it does after versioning was suspended."""
        return "Status" in self._client.get_bucket_versioning(Bucket=self._bucket)

    def _versions(self, keys: Sequence[str]) -> Iterator[Version]:
        """Yield the versions of the keys, with one listing for all files of an attempt: they share a folder."""
        pages = self._client.get_paginator("list_object_versions")
        for _, files in groupby(sorted(keys), key=lambda key: key.rpartition("/")[0]):
            wanted = list(files)
            for page in pages.paginate(Bucket=self._bucket, Prefix=_common_beginning(wanted)):
                for found in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    if found["Key"] in wanted:
                        yield {"Key": found["Key"], "VersionId": found["VersionId"]}

    def _delete(self, named: Sequence[Version]) -> dict[str, str]:
        if not named:
            return {}
        if self._in_batches:
            try:
                answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": named, "Quiet": True})
            except ClientError as error:
                if status(error) not in _NOT_OFFERED:
                    raise
                self._in_batches, self._batches_refused = False, True
            else:
                return {
                    error["Key"]: f"{error.get('Code')}: {error.get('Message')}"
                    for error in answer.get("Errors", [])
                    if error.get("Code") not in {"NoSuchKey", "NoSuchVersion"}
                }
        return self._delete_singly(named)

    def _delete_singly(self, named: Sequence[Version]) -> dict[str, str]:
        kept = {}
        for one in named:
            try:
                self._client.delete_object(Bucket=self._bucket, **one)
            except ClientError as error:
                if status(error) == 404 and code(error) != "NoSuchBucket":
                    continue
                if status(error) not in {403, 409}:
                    raise
                kept[one["Key"]] = f"{code(error)}: {error.response.get('Error', {}).get('Message')}"
        return kept


def _common_beginning(keys: Sequence[str]) -> str:
    """Return the common prefix of sorted keys."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(keys[0], keys[-1], strict=False))
    return "".join(letter for letter, _ in pairs)

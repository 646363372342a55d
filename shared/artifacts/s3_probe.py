"""Finds out what an S3-compatible store accepts and refuses, with one small object, before jobs depend on it."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from shared.artifacts.interface import ArtifactMissing, ArtifactStoreUnavailable
from shared.artifacts.s3_client import Feature, code, status, told_as_ours

PROBE = "todoke-probe"
"""The object's name below the prefix. It stays until a relay removes it: a worker may lack the permission to delete."""
SETTING = "ARTIFACT_S3_WITHOUT"

_BODY = b"todoke"
_ALREADY_THERE = {"PreconditionFailed", "412", "ConditionalRequestConflict"}
_BUSY = {429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One feature that the store refused."""

    feature: Feature
    tried: str
    answer: str


class Probe:
    """Writes and reads the probe object as `put` would."""

    def __init__(self, client: Any, bucket: str, prefix: str, without: frozenset[Feature]) -> None:
        self._client = client
        self._bucket = bucket
        self._where = {"Bucket": bucket, "Key": prefix + PROBE}
        self._without = without

    def run(self) -> list[str]:
        """Return what the store ignores, a sentence each.

        Raises ArtifactStoreUnavailable, naming every header that is refused.
        """
        self._must_work("s3:PutObject", self._put)
        self._must_work("s3:GetObject", lambda: self._client.head_object(**self._where))
        refused = [r for r in (self._checksums(), self._conditions(), self._checksum_mode()) if r is not None]
        if refused:
            told = "; ".join(f"{r.tried}: {r.answer}" for r in refused)
            names = ",".join(sorted(self._without | {r.feature for r in refused}))
            raise ArtifactStoreUnavailable(
                f"the S3 store of bucket {self._bucket} refuses what it is sent ({told}): "
                f"set {SETTING}={names} on API, relay and worker"
            )
        return list(self._ignored())

    def _must_work(self, right: str, call: Callable[[], object]) -> None:
        try:
            with told_as_ours(self._bucket, f"a probe object ({right})"):
                call()
        except ArtifactMissing as error:
            if right == "s3:PutObject":  # no such bucket
                raise ArtifactStoreUnavailable(f"S3 refused a probe object in bucket {self._bucket}: 404") from error
            # Otherwise a relay has removed it meanwhile.

    def _put(self, **headers: str) -> None:
        self._client.put_object(**self._where, Body=_BODY, **headers)

    def _checksums(self) -> Refusal | None:
        return self._tried(Feature.CHECKSUMS, "x-amz-checksum-sha256 at PutObject", self._put, _checksum(_BODY))

    def _conditions(self) -> Refusal | None:
        return self._tried(Feature.CONDITIONAL_WRITES, "If-None-Match at PutObject", self._put, {"IfNoneMatch": "*"})

    def _checksum_mode(self) -> Refusal | None:
        if Feature.CHECKSUMS in self._without:
            return None
        call = self._client.head_object
        how = {**self._where, "ChecksumMode": "ENABLED"}
        return self._tried(Feature.CHECKSUM_MODE, "x-amz-checksum-mode at HeadObject", call, how)

    def _tried(
        self, feature: Feature, tried: str, call: Callable[..., object], headers: Mapping[str, str]
    ) -> Refusal | None:
        """Return the refusal, if there is one.

        A call that is refused now is refused because of this header: without it, all succeeded.
        """
        if feature in self._without:
            return None
        with told_as_ours(self._bucket, f"a probe object ({tried})"):
            try:
                call(**headers)
            except ClientError as error:
                if code(error) in _ALREADY_THERE or status(error) == 404:
                    return None
                if status(error) in _BUSY:
                    raise
                return Refusal(feature, tried, f"{status(error)} {code(error)}".strip())
        return None

    def _ignored(self) -> Iterable[str]:
        if Feature.CONDITIONAL_WRITES not in self._without and not self._refuses({"IfNoneMatch": "*"}, tries=2):
            yield (
                f"The S3 store of bucket {self._bucket} ignores If-None-Match, so a file could be written twice: the "
                f"lease token in its name keeps two writers apart. {SETTING}={Feature.CONDITIONAL_WRITES} looks first."
            )
        if Feature.CHECKSUMS not in self._without and not self._refuses(_checksum(b"other"), tries=1):
            yield (
                f"The S3 store of bucket {self._bucket} ignores x-amz-checksum-sha256, so it would store a file that "
                f"was damaged on its way. {SETTING}={Feature.CHECKSUMS} signs each file's digest instead."
            )

    def _refuses(self, headers: Mapping[str, str], *, tries: int) -> bool:
        """True if the store obeys it.

        There is a second try, because a relay may have removed the object before the first.
        """
        for _ in range(tries):
            with told_as_ours(self._bucket, "a probe object"):
                try:
                    self._put(**headers)
                except ClientError as error:
                    if status(error) in _BUSY:
                        raise
                    return True
        return False


def _checksum(of: bytes) -> Mapping[str, str]:
    return {"ChecksumSHA256": base64.b64encode(hashlib.sha256(of).digest()).decode()}

"""What an operator should know about the artifact store."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time

from shared.artifacts.open import open_store
from shared.runtime.artifact_url import parse_artifact_url


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """The current state of the store."""

    name: str
    """`folder /path` or `bucket name`."""
    advice: Sequence[str]
    """What works but has a cost, a sentence each."""
    free_mb: int | None = None
    """Free space on a folder's disk."""
    keeps_versions: bool | None = None
    """Whether a bucket keeps older versions of objects; None for a folder, or without permission to ask."""
    ahead_s: float | None = None
    """By how many seconds S3's clock is ahead of this machine's, to the second."""


def look_at(url: str, *, region: str, s3_without: Sequence[str]) -> StoreFacts:
    """Try the store as a worker does at its start, with a separate object, and return the facts.

    Raises UnknownArtifactUrl, UnknownFeature, ArtifactStoreUnavailable.
    """
    store = open_store(url, region=region, s3_without=s3_without)
    store.check()
    advice = [*store.advice_on_storing(), *store.advice_on_deleting()]
    place = parse_artifact_url(url)
    if isinstance(place, Path):
        return StoreFacts(f"folder {place}", advice, free_mb=shutil.disk_usage(place).free >> 20)
    keeps_versions, ahead_s = _bucket(region, place.name)
    return StoreFacts(f"bucket {place.name}", advice, keeps_versions=keeps_versions, ahead_s=ahead_s)


def _bucket(region: str, bucket: str) -> tuple[bool | None, float | None]:
    from botocore.exceptions import ClientError

    from shared.artifacts.s3_client import THE_BUCKET, make_client, told_as_ours

    client = make_client(region, read_timeout_s=5, tries=2)
    with told_as_ours(bucket, THE_BUCKET):
        date = client.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"].get("date")
        ahead_s = parsedate_to_datetime(date).timestamp() - time() if date else None
        try:
            return client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled", ahead_s
        except ClientError:  # not allowed, or not offered; the store's advice mentions it
            return None, ahead_s

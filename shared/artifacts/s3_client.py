"""Clients of S3: which features a compatible store may lack, and what its errors mean."""

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from shared.artifacts.interface import ArtifactMissing, ArtifactStoreUnavailable
from shared.runtime import aws

THE_BUCKET = "the bucket"
CONNECTIONS = 40
"""As many as the API has threads that may call it at once."""


class Feature(StrEnum):
    """What AWS offers and other stores may refuse. ARTIFACT_S3_WITHOUT names features that must not be used."""

    CONDITIONAL_WRITES = "conditional-writes"
    """`If-None-Match: *` at PutObject. Without it the worker checks beforehand; the lease token keeps two writers
    apart."""
    CHECKSUMS = "checksums"
    """`x-amz-checksum-sha256` and its kin. Without them each body's SHA-256 is part of the request's signature."""
    CHECKSUM_MODE = "checksum-mode"
    """`x-amz-checksum-mode` at HeadObject and GetObject: the store returns the digest that it keeps."""
    BATCH_DELETES = "batch-deletes"
    """DeleteObjects. Without it files are deleted one by one."""


def make_client(
    region: str | None,
    *,
    endpoint_url: str | None = None,
    without: frozenset[Feature] = frozenset(),
    read_timeout_s: float = 30,
    tries: int = 4,
) -> Any:
    """Return an S3 client whose every call is bounded in time.

    Credentials and endpoint come from the standard AWS settings.
    """
    modes = {"request_checksum_calculation": "when_required"}
    if without & {Feature.CHECKSUMS, Feature.CHECKSUM_MODE}:
        modes["response_checksum_validation"] = "when_required"
    return aws.new_session().client(
        "s3",
        region_name=region,
        endpoint_url=endpoint_url,
        config=Config(
            connect_timeout=3,
            read_timeout=read_timeout_s,
            tcp_keepalive=True,
            retries={"mode": "standard", "total_max_attempts": tries},
            signature_version="s3v4",
            max_pool_connections=CONNECTIONS,
            # Emulators rarely serve bucket.host names; AWS accepts both for buckets in use.
            s3={"addressing_style": "auto", "payload_signing_enabled": Feature.CHECKSUMS in without},
            **modes,
        ),
    )


@contextlib.contextmanager
def told_as_ours(bucket: str, what: str) -> Iterator[None]:
    """Raise the client's errors about `what` as those of `ArtifactStore`."""
    try:
        yield
    except ClientError as error:
        if code(error) in {"404", "NoSuchKey", "NotFound"} and what != THE_BUCKET:
            raise ArtifactMissing(f"no artifact {what}") from None
        if what == THE_BUCKET and code(error) in {"404", "NoSuchBucket"}:
            raise ArtifactStoreUnavailable(f"S3 has no bucket {bucket}: create it, or correct its name") from None
        raise ArtifactStoreUnavailable(f"S3 refused {what} in bucket {bucket}: {code(error)}") from None
    except (BotoCoreError, Boto3Error) as error:
        raise ArtifactStoreUnavailable(f"S3 does not answer: {type(error).__name__}: {error}") from None
    except (ResponseParserError, ValueError, TypeError, AttributeError, LookupError) as error:
        # The page of a proxy, say. Neither botocore nor we foresee what it has.
        raise ArtifactStoreUnavailable(f"what came is not an answer of S3 ({type(error).__name__}: {error})") from None


def code(error: ClientError) -> str:
    """Return S3's name of the error; the status if the answer to a HEAD has no name."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status(error: ClientError) -> int:
    """Return the answer's HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))

"""Opens the artifact store that a URL names."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactStore
from shared.errors import TodokeError
from shared.suggest import did_you_mean

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Bucket naming rules (S3 user guide, read 2026-11-23)."""


class UnknownArtifactUrl(TodokeError):
    """ARTIFACT_URL names no store."""


class UnknownFeature(TodokeError):
    """ARTIFACT_S3_WITHOUT names what no store could lack."""


def open_store(
    url: str, *, region: str | None = None, links_at: str | None = None, s3_without: Sequence[str] = ()
) -> ArtifactStore:
    """The store that `file:///folder` or `s3://bucket/prefix` names. Raises UnknownArtifactUrl, UnknownFeature.

    `links_at` is where clients reach S3, if that is another address than ours; `s3_without` what it does not offer.
    """
    parts = urlsplit(url)
    folder = unquote(parts.path)
    plain = not parts.query and not parts.fragment
    if plain and parts.scheme == "file" and not parts.netloc and folder.startswith("/") and folder.strip("/"):
        return DiskStore(Path(folder))
    if plain and parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc):
        try:
            from shared.artifacts.s3 import S3Store
            from shared.artifacts.s3_client import Feature
        except ModuleNotFoundError:
            raise UnknownArtifactUrl(
                "ARTIFACT_URL names S3, and boto3 is not installed: pip install 'todoke-server[s3]'"
            ) from None
        if unknown := sorted(set(s3_without) - set(Feature)):
            raise UnknownFeature(f"ARTIFACT_S3_WITHOUT: {unknown[0]!r} is unknown{did_you_mean(unknown[0], Feature)}")
        without = frozenset(map(Feature, s3_without))
        return S3Store(parts.netloc, folder, region=region, links_at=links_at, without=without)
    # The URL itself is not shown: somebody may have written a password into it.
    raise UnknownArtifactUrl(
        "ARTIFACT_URL must be file:///absolute/folder or s3://bucket/prefix"
        + (f", not a {parts.scheme}: URL" if parts.scheme not in {"", "file", "s3"} else "")
    )

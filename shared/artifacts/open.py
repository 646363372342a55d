"""Opens the artifact store that a URL names."""

from collections.abc import Sequence
from pathlib import Path

from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactStore
from shared.errors import TodokeError
from shared.runtime.artifact_url import parse_artifact_url
from shared.suggest import did_you_mean


class UnknownArtifactUrl(TodokeError):
    """ARTIFACT_URL names no store."""


class UnknownFeature(TodokeError):
    """ARTIFACT_S3_WITHOUT names something that no store could lack."""


def open_store(
    url: str, *, region: str | None = None, links_at: str | None = None, s3_without: Sequence[str] = ()
) -> ArtifactStore:
    """Return the store that `file:///folder` or `s3://bucket/prefix` names. Raises UnknownArtifactUrl, UnknownFeature.

    `links_at` is where clients reach S3, if that differs from our address; `s3_without` names what the store lacks.
    """
    try:
        place = parse_artifact_url(url)
    except ValueError as error:
        raise UnknownArtifactUrl(f"ARTIFACT_URL {error}") from None
    if isinstance(place, Path):
        return DiskStore(place)
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
    return S3Store(place.name, place.prefix, region=region, links_at=links_at, without=without)

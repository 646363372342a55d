"""Opens the artifact store that a URL names."""

from pathlib import Path

from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactStore
from shared.errors import TodokeError
from shared.runtime.artifact_url import parse_artifact_url


class UnknownArtifactUrl(TodokeError):
    """ARTIFACT_URL names no store."""


def open_store(url: str, *, region: str | None = None, links_at: str | None = None) -> ArtifactStore:
    """The store that `file:///folder` or `s3://bucket/prefix` names. Raises UnknownArtifactUrl.

    `links_at` is where clients reach S3, if that is another address than ours.
    """
    try:
        place = parse_artifact_url(url)
    except ValueError as error:
        raise UnknownArtifactUrl(f"ARTIFACT_URL {error}") from None
    if isinstance(place, Path):
        return DiskStore(place)
    try:
        from shared.artifacts.s3 import S3Store
    except ModuleNotFoundError:
        raise UnknownArtifactUrl(
            "ARTIFACT_URL names S3, and boto3 is not installed: pip install 'todoke-server[s3]'"
        ) from None
    return S3Store(place.name, place.prefix, region=region, links_at=links_at)

"""Which artifact store an URL names."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactStore
from shared.errors import TodokeError

DEFAULT_URL = "file:///var/lib/todoke/artifacts"
"""Where API and worker look when ARTIFACT_URL is not set: the place to mount a volume."""


class UnknownArtifactUrl(TodokeError):
    """ARTIFACT_URL names no store."""


def open_store(url: str, *, region: str | None = None) -> ArtifactStore:
    """The store that `file:///folder` or `s3://bucket/prefix` names. Raises UnknownArtifactUrl."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return DiskStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        try:
            from shared.artifacts.s3 import S3Store
        except ModuleNotFoundError:
            raise UnknownArtifactUrl(
                "ARTIFACT_URL names S3, and boto3 is not installed: pip install 'todoke[s3]'"
            ) from None
        return S3Store(parts.netloc, unquote(parts.path), region=region)
    raise UnknownArtifactUrl(
        "ARTIFACT_URL must be file:///absolute/folder or s3://bucket/prefix"
        + (f", not a {parts.scheme}: URL" if parts.scheme else "")
    )

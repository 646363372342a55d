"""What Todoke requires of a store of finished files.

Keys contain the lease token: a late worker never touches its successor's files.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import UUID

from shared.errors import TodokeError

LIST_PAGE = 1_000
"""Most objects in one listing or deleting request: S3's own limit (S3 API reference, read 2026-11-25)."""


class ArtifactStoreUnavailable(TodokeError):
    """The store did not answer, or refused for a reason that may pass (network, throttling, disk full)."""


class ArtifactMissing(TodokeError):
    """No object has this key."""


class ArtifactExists(TodokeError):
    """Another object has this key already. It is unchanged: objects are written once."""


class ArtifactDamaged(TodokeError):
    """The object exists, but its size or content is not what was stored. It must not be served."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object, as the store itself describes it."""

    key: str
    size_bytes: int
    modified_at: datetime


class LocalFile(Protocol):
    """The object is a file on this machine, opened for one client. Whoever receives it must close it."""

    @property
    def key(self) -> str:
        """Its key, which is its path below the store's folder."""

    @property
    def size_bytes(self) -> int:
        """Its length when it was opened, which is that of what was stored."""

    @property
    def verified(self) -> bool:
        """True if the whole file was known lately to be what was stored."""

    def verify(self) -> None:
        """Return when the whole file is known to be what was stored. Raises ArtifactDamaged."""

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` up to `stop`, piece by piece; then close the file.

        Raises ArtifactDamaged instead of yielding the last piece if the file is not what was stored, or changes
        meanwhile: an aborted transfer is never taken for a whole file.
        """

    def close(self) -> None:
        """Close a file whose pieces are not read."""


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """The object can be fetched from `url`, which stops working after a short time."""

    url: str


def artifact_key(tenant: str, job_id: UUID, lease_token: UUID, name: str) -> str:
    """Return the key `reports/{tenant}/{job}/{lease_token}/{name}`, each part safe as one path segment."""
    for part in (tenant, name):
        if not _is_segment(part):
            raise ValueError(f"{part!r} cannot be one segment of an artifact key")
    return f"reports/{tenant}/{job_id}/{lease_token}/{name}"


def parse_key(key: str) -> tuple[str, UUID, UUID, str] | None:
    """Return tenant, job, lease token and name of an `artifact_key`; None for any other key."""
    match key.split("/"):
        case ["reports", tenant, job_id, lease_token, name]:
            try:
                parsed = (tenant, UUID(job_id), UUID(lease_token), name)
            except ValueError:
                return None
            # Only the spelling that `artifact_key` produces: a UUID can be written in several ways.
            return parsed if _is_segment(tenant) and _is_segment(name) and artifact_key(*parsed) == key else None
    return None


def check_key(key: str) -> None:
    """Raise ValueError unless every segment of `key` is a plain name, so that no key leads out of its store."""
    if not all(_is_segment(segment) for segment in key.split("/")):
        raise ValueError(f"{key!r} is not an artifact key")


def _is_segment(part: str) -> bool:
    return bool(part) and part not in {".", ".."} and not any(c in part for c in "/\\\0")


class ArtifactStore(Protocol):
    """Write-once objects by key. All methods raise ArtifactStoreUnavailable when the store does not answer."""

    def put(
        self, key: str, file: Path, *, media_type: str, sha256: str, metadata: Mapping[str, str], given: bool = False
    ) -> StoredObject:
        """Store `file` whole under `key` or not at all, and verify what was stored by size and SHA-256.

        `given` promises that nobody writes to `file` any more, so a store on this machine may keep it under a second
        name. Storing the same bytes again is fine; other bytes under a key that is taken raise ArtifactExists.
        """

    def stat(self, key: str) -> StoredObject:
        """Return the object that is stored under `key`. Raises ArtifactMissing."""

    def open(self, key: str) -> BinaryIO:
        """Return a stream of the object's bytes, to be closed by the caller. Raises ArtifactMissing."""

    def read(self, key: str, *, size_bytes: int, sha256: str) -> bytes:
        """Return the bytes of a small object, verified to be what was stored.

        Raises ArtifactMissing, ArtifactDamaged.
        """

    def locate(
        self, key: str, *, size_bytes: int, sha256: str, download_name: str, media_type: str, expires_s: int
    ) -> LocalFile | SignedUrl:
        """Return how a client can fetch what was stored with this size and digest: an opened file, or a link.

        The link is valid for `expires_s`. Raises ArtifactMissing, or ArtifactDamaged if the store has another object
        there.
        """

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield every object whose key begins with `prefix`, fetched as it is consumed, LIST_PAGE objects at a time."""

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Remove up to LIST_PAGE objects; removing one that is gone is not an error. Only retention calls this.

        Returns the keys that could not be removed, each with the reason. Nothing is known to be left of the others.
        """

    def check(self) -> None:
        """Return when the store answers and accepts what `put` sends; otherwise raise ArtifactStoreUnavailable with the
        reason.

        What the store accepts is tried once, with a separate object.
        """

    def advice_on_storing(self) -> Sequence[str]:
        """Return what `check` found that works but has a cost the operator should know, a sentence each."""

    def advice_on_deleting(self) -> Sequence[str]:
        """Return what `delete` would leave in the store, or does slowly, a sentence each. Asks the store."""

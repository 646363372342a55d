"""Checks that bytes that were read are those that were stored."""

import hashlib

from shared.artifacts.interface import ArtifactDamaged


def whole(key: str, content: bytes, *, size_bytes: int, sha256: str) -> bytes:
    """Return the content. Raises ArtifactDamaged if it has another size or digest."""
    if len(content) != size_bytes or hashlib.sha256(content).hexdigest() != sha256:
        raise ArtifactDamaged(f"{key} holds other bytes than were stored: {len(content)}, not {size_bytes}")
    return content

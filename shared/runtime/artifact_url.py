"""Parses an artifact store's address.

Separate from the stores, because settings are checked before a store is opened.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Bucket naming rules (S3 user guide, read 2026-11-23)."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """`s3://name/prefix`."""

    name: str
    prefix: str


def parse_artifact_url(url: str) -> Path | Bucket:
    """Return the folder of `file:///folder`, or the bucket of `s3://bucket/prefix`.

    Raises ValueError, which does not show the URL: it may contain a password.
    """
    parts = urlsplit(url)
    folder = unquote(parts.path)
    plain = not parts.query and not parts.fragment
    if plain and parts.scheme == "file" and not parts.netloc and folder.startswith("/") and folder.strip("/"):
        return Path(folder)
    if plain and parts.scheme == "s3":
        if _BUCKET.fullmatch(parts.netloc):
            return Bucket(parts.netloc, folder)
        why = "; the name of a bucket has 3 to 63 small letters, digits, dots and hyphens"
    else:
        why = f", not a {parts.scheme}: URL" if parts.scheme not in {"", "file", "s3"} else ""
    raise ValueError(f"must be file:///absolute/folder or s3://bucket/prefix{why}")

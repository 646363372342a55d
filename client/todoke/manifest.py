"""Checks that a file is what a job made, by its manifest and the manifest's signature."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from todoke.errors import ManifestError, UnexpectedAnswer
from todoke.reading import Fields

NAME = "manifest.json"
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Proof:
    """What a manifest records about a file."""

    name: str
    """The file's original name; it may have been renamed since."""
    size_bytes: int
    rows: int
    sha256: str
    job_id: str
    report_type: str
    report_version: str
    key_id: str | None
    """The id of the key that signed the manifest; None if no key was given."""
    manifest: Mapping[str, Any]
    """The whole manifest."""


def verify(
    file: str | os.PathLike[str],
    manifest: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | bytes | None = None,
) -> Proof:
    """Check a file against its manifest (default: `manifest.json` beside it), and the manifest against a public key.

    `key` is a PEM file, or its content; it requires the extra `verify`. Raises ManifestError.
    """
    path = Path(file)
    document = _read(Path(manifest) if manifest is not None else path.with_name(NAME))
    content, signature = document.object("manifest"), document.maybe_object("signature")
    key_id = None if key is None else _signed_by(content, signature, key)
    digest, size = _digest(path)
    about = Fields(content, "the manifest")
    files = about.each("files")
    entry = next((one for one in files if one.text("sha256") == digest), None)
    if entry is None:
        told = f"SHA-256 {digest}, {size:,} bytes"
        for one in files:
            if one.text("name") == path.name:
                told += f"; the manifest has {one.text('sha256')}, {one.integer('sizeBytes'):,} bytes for {path.name}"
        raise ManifestError(f"{path} is not a file of this job, or was changed: {told}")
    return Proof(
        name=entry.text("name"),
        size_bytes=entry.integer("sizeBytes"),
        rows=entry.integer("rows"),
        sha256=digest,
        job_id=about.some_text("jobId"),
        report_type=about.some_text("reportType"),
        report_version=about.some_text("reportVersion"),
        key_id=key_id,
        manifest=content,
    )


def _read(path: Path) -> Fields:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        document = Fields(json.loads(raw), "the manifest")
        Fields(document.raw.get("manifest"), "the manifest").each("files")
        return document
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read ({error.strerror}): fetch it with `todoke download JOB manifest.json`, and pass "
            "--manifest if it is elsewhere"
        ) from None
    except (ValueError, RecursionError, UnexpectedAnswer) as error:
        raise ManifestError(f"{path} cannot be read as a manifest: {error}") from None


def _digest(path: Path) -> tuple[str, int]:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest(), stream.tell()
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from None


def _signed_by(content: object, signature: Mapping[str, Any] | None, key: str | os.PathLike[str] | bytes) -> str:
    """Return the key's id if it signed the content: Ed25519 over JSON with sorted keys, without white
    space, in ASCII.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
    except ModuleNotFoundError:
        raise ManifestError("verifying a signature needs the extra `verify`: pip install 'todoke[verify]'") from None
    try:
        pem = key if isinstance(key, bytes) else Path(key).read_bytes()
        public = load_pem_public_key(pem)
    except OSError as error:
        raise ManifestError(f"{os.fsdecode(key)} cannot be read: {error.strerror}") from None
    except ValueError:
        public = None
    if not isinstance(public, Ed25519PublicKey):
        raise ManifestError(
            "the key is not an Ed25519 public key in PEM: make one with `openssl pkey -in key.pem -pubout`"
        )
    if signature is None:
        raise ManifestError("the manifest is not signed")
    signed = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    try:
        public.verify(base64.b64decode(str(signature.get("value"))), signed)
    except (InvalidSignature, ValueError):
        raise ManifestError(
            "the manifest's signature does not belong to this key, or the manifest was changed"
        ) from None
    return hashlib.sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]

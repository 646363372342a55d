"""Writes, signs and checks `manifest.json`, which says what was made from what, so that files can be checked later.

It is `{"manifest": …, "signature": …}`. The signature, if the worker has a key, is Ed25519 (RFC 8032) over the manifest
as JSON with sorted keys and no white space, in ASCII.
"""

import base64
import functools
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from shared.errors import TodokeError
from shared.reports.interface import Cost, RenderedFile, RenderRequest

NAME = "manifest.json"
MEDIA_TYPE = "application/json"
_TOOLS = ("todoke-server", "duckdb", "isal", "pikepdf", "psycopg", "reportlab", "typst", "vl-convert-python")


class ManifestError(TodokeError):
    """A manifest or a key cannot be read, or does not prove that a file is what it should be."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a manifest says about a file that it describes."""

    entry: Mapping[str, Any]
    manifest: Mapping[str, Any]
    key_id: str | None
    """The id of the key that signed it; None for an unsigned manifest, or if no key was given."""


def write_manifest(
    request: RenderRequest, files: Sequence[RenderedFile], rows: int, snapshot: Mapping[str, object]
) -> Path:
    """Write the unsigned manifest into the scratch folder."""
    report = request.report
    manifest = {
        "jobId": request.job_id,
        "reportType": report.name,
        "reportVersion": report.version,
        "parameters": request.parameters,
        "tenant": request.asker.tenant,
        "requester": request.asker.requester,
        "columnsLeftOut": sorted(report.hidden_columns(request.asker.scopes)),
        "source": {"name": report.source, "snapshot": snapshot, "rows": rows},
        "files": [
            {"name": f.name, "format": f.format, "mediaType": f.media_type, "sizeBytes": f.size_bytes,
             "sha256": f.sha256, "rows": f.rows}
            for f in files
        ],
        "warnings": [warning.as_json() for f in files for warning in f.warnings],
        "tools": tools(),
    }  # fmt: skip
    path = request.scratch / NAME
    path.write_text(json.dumps({"manifest": manifest, "signature": None}, indent=2, ensure_ascii=False))
    return path


@functools.cache
def tools() -> Mapping[str, str]:
    """What made the files → its version."""
    return {"python": platform.python_version(), **{tool: v for tool in _TOOLS if (v := _version(tool))}}


def tell_cost(path: Path, cost: Cost) -> None:
    """Put what the attempt has used into the unsigned manifest at `path`."""
    document = json.loads(path.read_text())
    document["manifest"]["cost"] = cost.as_json()
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False))


def sign(path: Path, key: Ed25519PrivateKey) -> None:
    """Put a signature into the manifest at `path`."""
    document = json.loads(path.read_text())
    signature = key.sign(_canonical(document["manifest"]))
    document["signature"] = {
        "algorithm": "ed25519",
        "keyId": key_id(key.public_key()),
        "value": base64.b64encode(signature).decode(),
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False))


def verify(file: Path, manifest: Path, key: Ed25519PublicKey | None) -> Proof:
    """Check `file` against `manifest`, and the manifest's signature if a key is given. Raises ManifestError."""
    try:
        document = json.loads(manifest.read_bytes())
        content, signature = document["manifest"], document["signature"]
        entries = {entry["sha256"]: entry for entry in content["files"]}
        named = {entry["name"]: entry for entry in content["files"]}
    except OSError as error:
        raise ManifestError(
            f"{manifest} cannot be read ({error.strerror}): download the job's manifest.json and pass --manifest"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{manifest} cannot be read as a manifest: {error}") from None
    if key is not None:
        _check_signature(content, signature, key)
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
    except OSError as error:
        raise ManifestError(f"{file} cannot be read: {error.strerror}") from None
    entry = entries.get(digest)
    if entry is None:
        about = f"SHA-256 {digest}, {size:,} bytes"
        expected = named.get(file.name)
        if expected:
            about += f"; the manifest has {expected['sha256']}, {expected['sizeBytes']:,} bytes for {file.name}"
        raise ManifestError(f"{file} is not a file of this job, or was changed: {about}")
    return Proof(entry, content, signature["keyId"] if signature and key is not None else None)


def load_private_key(pem: bytes) -> Ed25519PrivateKey:
    """Read an Ed25519 key as `openssl genpkey -algorithm ed25519` writes it. Raises ManifestError."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ManifestError(
            "the signing key is not an Ed25519 key in PEM without a password: make one with "
            "`openssl genpkey -algorithm ed25519`"
        )
    return key


def load_public_key(pem: bytes) -> Ed25519PublicKey:
    """Read a public key as `openssl pkey -pubout` writes it. Raises ManifestError."""
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ManifestError(
            "the key is not an Ed25519 public key in PEM: make one with `openssl pkey -in key.pem -pubout`"
        )
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Return the first 16 hex digits of the raw public key's SHA-256."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _check_signature(content: object, signature: object, key: Ed25519PublicKey) -> None:
    if not isinstance(signature, dict):
        raise ManifestError("the manifest is not signed")
    try:
        key.verify(base64.b64decode(str(signature.get("value"))), _canonical(content))
    except (InvalidSignature, ValueError):
        raise ManifestError(
            "the manifest's signature does not belong to this key, or the manifest was changed"
        ) from None


def _canonical(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

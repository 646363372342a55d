"""Writes and signs `manifest.json`, which says what was made from what; `todoke verify` checks files against it.

It is `{"manifest": …, "signature": …}`. The signature, if the worker has a key, is Ed25519 (RFC 8032) over the manifest
as JSON with sorted keys and no white space, in ASCII.
"""

import base64
import functools
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from shared.errors import TodokeError
from shared.reports.interface import Cost, RenderedFile, RenderRequest

NAME = "manifest.json"
MEDIA_TYPE = "application/json"
_TOOLS = (
    "todoke-server", "duckdb", "isal", "msoffcrypto-tool", "pikepdf", "psycopg", "reportlab", "typst",
    "vl-convert-python",
)  # fmt: skip


class ManifestError(TodokeError):
    """A key cannot be read."""


def write_manifest(
    request: RenderRequest,
    files: Sequence[RenderedFile],
    rows: int,
    snapshot: Mapping[str, object],
    further: Mapping[str, int],
) -> Path:
    """Write the unsigned manifest into the scratch folder. `further` has the number of rows of each further query."""
    report = request.report
    manifest = {
        "jobId": request.job_id,
        "reportType": report.name,
        "reportVersion": report.version,
        "parameters": request.parameters,
        **request.shape.as_json(),
        **({"relativeDates": request.words} if request.words else {}),
        "tenant": request.asker.tenant,
        "requester": request.asker.requester,
        "columnsLeftOut": sorted(report.hidden_columns(request.asker.scopes)),
        "source": {
            "name": report.source, "snapshot": snapshot, "rows": rows, **({"queries": further} if further else {}),
        },
        "files": [
            {"name": f.name, "format": f.format, "mediaType": f.media_type, "sizeBytes": f.size_bytes,
             "sha256": f.sha256, "rows": f.rows}
            for f in files
        ],
        # Salts and keys are random; rows and source are recorded for an encrypted file as for any other.
        **({"encrypted": True, "reproducible": False} if request.password is not None else {}),
        "warnings": [warning.as_json() for f in files for warning in f.warnings],
        "tools": tools(),
    }  # fmt: skip
    path = request.scratch / NAME
    _write(path, {"manifest": manifest, "signature": None})
    return path


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Write one line per field, for people. With `indent`, Python's JSON takes ten times as long."""
    lines = [f"    {_json(name)}: {_json(value)}" for name, value in document["manifest"].items()]
    signature = _json(document["signature"])
    body = ",\n".join(lines)
    path.write_text(f'{{\n  "manifest": {{\n{body}\n  }},\n  "signature": {signature}\n}}\n', encoding="utf-8")


_json = json.JSONEncoder(ensure_ascii=False).encode


@functools.cache
def tools() -> Mapping[str, str]:
    """Return each tool that made the files → its version."""
    return {"python": platform.python_version(), **{tool: v for tool in _TOOLS if (v := _version(tool))}}


def tell_cost(path: Path, cost: Cost) -> None:
    """Add what the attempt has used to the unsigned manifest at `path`."""
    document = json.loads(path.read_text())
    document["manifest"]["cost"] = cost.as_json()
    _write(path, document)


def sign(path: Path, key: Ed25519PrivateKey) -> None:
    """Add a signature to the manifest at `path`."""
    document = json.loads(path.read_text())
    signature = key.sign(_canonical(document["manifest"]))
    document["signature"] = {
        "algorithm": "ed25519",
        "keyId": key_id(key.public_key()),
        "value": base64.b64encode(signature).decode(),
    }
    _write(path, document)


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


def key_id(key: Ed25519PublicKey) -> str:
    """Return the first 16 hex digits of the raw public key's SHA-256."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _canonical(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

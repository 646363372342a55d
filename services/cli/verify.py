"""`todoke-server verify`: is this file what the job made?"""

import argparse
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.reports import manifest
from shared.reports.manifest import ManifestError


def run(given: argparse.Namespace) -> int:
    """Print what the manifest proves about the file. Raises ManifestError if the file is not what it says."""
    path = given.manifest or given.file.with_name(manifest.NAME)
    proof = manifest.verify(given.file, path, _public_key(given.key))
    entry, about = proof.entry, proof.manifest
    print(f"{given.file} is whole: {entry['name']}, {entry['sizeBytes']:,} bytes, {entry['rows']:,} rows")
    print(f"made by job {about['jobId']} from {about['reportType']} {about['reportVersion']}")
    print(f"signed by key {proof.key_id}" if proof.key_id else "signature not checked: pass --key to check it")
    return 0


def _public_key(file: Path | None) -> Ed25519PublicKey | None:
    if file is None:
        return None
    try:
        return manifest.load_public_key(file.read_bytes())
    except OSError as error:
        raise ManifestError(f"{file} cannot be read: {error.strerror}") from None

"""`todoke-server verify`: is this file what the job made?"""

from pathlib import Path

from shared.reports import manifest
from shared.reports.manifest import ManifestError


def verify(file: Path, manifest_file: Path | None, key_file: Path | None) -> int:
    """Print what is known of the file. Raises ManifestError when it is not what the manifest says."""
    path = manifest_file or file.with_name(manifest.NAME)
    try:
        key = manifest.load_public_key(key_file.read_bytes()) if key_file else None
    except OSError as error:
        raise ManifestError(f"{key_file} cannot be read: {error.strerror}") from None
    proof = manifest.verify(file, path, key)
    entry, about = proof.entry, proof.manifest
    print(f"{file} is whole: {entry['name']}, {entry['sizeBytes']:,} bytes, {entry['rows']:,} rows")  # noqa: T201
    print(f"made by job {about['jobId']} from {about['reportType']} {about['reportVersion']}")  # noqa: T201
    signed = f"signed by key {proof.key_id}" if proof.key_id else "signature not checked: pass --key to check it"
    print(signed)  # noqa: T201
    return 0

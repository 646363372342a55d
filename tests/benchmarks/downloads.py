"""The cost of verifying files before a download: `python -m tests.benchmarks.downloads`.

Seconds of one whole file from the disk store, without the network: read plainly, by the first client (who pays for the
SHA-256) and by the next ones; and until the first of those bytes can leave.
"""

import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from shared.artifacts.disk import DiskStore
from shared.artifacts.opened_file import PIECE_BYTES, OpenedFile, VerifiedFiles

_SIZES_MB = (0.1, 1, 16, 17, 256)
_ROUNDS = 5
_KEY = "reports/tenant/job/token/file.csv"


def main() -> None:
    """Print the table."""
    print(
        "| file, MB | read plainly, ms | first client, ms | its first byte, ms "
        "| next clients, ms | their first byte, ms |"
    )
    print("|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for size_mb in _SIZES_MB:
            print(_row(Path(folder), size_mb), flush=True)


def _row(folder: Path, size_mb: float) -> str:
    made, store = folder / "made", DiskStore(folder / f"store-{size_mb}")
    made.write_bytes(os.urandom(1024) * int(size_mb * 1024))
    with made.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    store.put(_KEY, made, media_type="text/csv", sha256=sha256, metadata={})

    def locate() -> OpenedFile:
        return store.locate(
            _KEY, size_bytes=made.stat().st_size, sha256=sha256, download_name="x", media_type="x/y", expires_s=60
        )

    def first_client() -> float:
        store._verified = VerifiedFiles()
        return _sent(locate)

    def plainly() -> float:
        with store.open(_KEY) as file:
            while file.read(PIECE_BYTES):
                pass
        return 0.0

    columns = [_median(plainly)[0], *_median(first_client), *_median(lambda: _sent(locate))]
    return f"| {size_mb:g} | " + " | ".join(f"{1000 * seconds:.1f}" for seconds in columns) + " |"


def _sent(locate: Callable[[], OpenedFile]) -> float:
    """Seconds until the first byte."""
    began = time.perf_counter()
    pieces = locate().pieces()
    next(pieces)
    first = time.perf_counter() - began
    for _ in pieces:
        pass
    return first


def _median(act: Callable[[], float]) -> tuple[float, float]:
    """Seconds of the whole, and until the first byte."""
    act()
    wholes, firsts = [], []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        firsts.append(act())
        wholes.append(time.perf_counter() - began)
    return statistics.median(wholes), statistics.median(firsts)


if __name__ == "__main__":
    main()

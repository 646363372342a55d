"""Part of `make bench`: an unchanged job, and a download from disk, beside requests without any work."""

import hashlib
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import artifact_key
from shared.database.engine import create_engine
from shared.jobs.artifacts import Artifact
from shared.jobs.succeed import Success, succeed
from tests.benchmarks.api import application, load, processor_s
from tests.benchmarks.parts import Figure, Stage
from tests.support.jobs import started
from todoke import Todoke

TITLE = "GET of a job with a matching ETag, and downloads from disk, 32 connections, one API process"
_SECONDS, _CONNECTIONS = 3, 32
_SIZES_KB = (16, 1_024)


def run(stage: Stage) -> Iterator[Figure]:
    """In turns over one running application."""
    url, folder = stage.database(), Path(stage.folder) / "artifacts"
    folder.mkdir()
    with application(url, ARTIFACT_URL=folder.as_uri(), BENCH_FILES=str(folder)) as base:
        job = _a_job_with_files(url, base, folder)
        with Todoke(base, "") as todoke:
            etag = todoke.jobs.get(job).etag
        asked = {
            "a constant": (f"{base}/constant", ()),
            "304": (f"{base}/v1/jobs/{job}", ("GET", f"If-None-Match: {etag}")),
        }
        for size_kb in _SIZES_KB:
            asked[f"bare {size_kb}"] = (f"{base}/bare/{size_kb}.csv", ("GET",))
            asked[f"download {size_kb}"] = (f"{base}/v1/jobs/{job}/artifacts/{size_kb}.csv", ("GET",))
        rates: dict[str, list[float]] = {name: [] for name in asked}
        costs: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(stage.rounds):
            for name, (address, headers) in asked.items():
                before = processor_s(address)
                rate = load(address, _CONNECTIONS, *headers, seconds=_SECONDS)
                rates[name].append(rate)
                costs[name].append((processor_s(address) - before) / (rate * _SECONDS) * 1e6)
    yield from _beside("a job that has not changed", "304", "a constant", rates, costs)
    for size_kb in _SIZES_KB:
        yield from _beside(f"a file of {size_kb:,} KB", f"download {size_kb}", f"bare {size_kb}", rates, costs)


def _beside(
    what: str, name: str, other: str, rates: dict[str, list[float]], costs: dict[str, list[float]]
) -> Iterator[Figure]:
    beside = "a constant" if name == "304" else "a bare file response"
    yield Figure(what, statistics.median(rates[name]), "requests/s")
    # Of each round its own ratio: a slow minute of the machine meets both.
    ratios = [one / two for one, two in zip(rates[name], rates[other], strict=True)]
    yield Figure(f"{what}, ÷ {beside}", statistics.median(ratios), "", "≥ 0.8")
    cheaper = [two / one for one, two in zip(costs[name], costs[other], strict=True)]
    yield Figure(f"{what}: processor time in the API of {beside} ÷ its own", statistics.median(cheaper))


def _a_job_with_files(url: str, base: str, folder: Path) -> str:
    """What a worker would have made of a request."""
    with Todoke(base, "") as todoke:
        job = todoke.jobs.create().id
    engine = create_engine(url, application_name="bench")
    with engine.connect() as conn:
        lease, files = started(conn, UUID(job)).lease, []
        for size_kb in _SIZES_KB:
            path = folder / f"{size_kb}.csv"
            path.write_bytes(os.urandom(512).hex().encode() * size_kb)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            key = artifact_key("default", lease.job_id, lease.token, path.name)
            DiskStore(folder).put(key, path, media_type="text/csv", sha256=sha256, metadata={})
            files.append(Artifact(path.name, "csv", "text/csv", path.stat().st_size, sha256, 1))
        succeed(conn, [Success(lease, files, 0.5)])
    engine.dispose()
    return job

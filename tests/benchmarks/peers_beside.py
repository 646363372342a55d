"""Part of `make bench`: jobs of no work, drained by one worker process of Todoke and of each peer, in turns."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import counting
from tests.benchmarks.parts import Figure, Stage
from tests.support.sqs.fast_process import ROOT

TITLE = "Jobs of no work drained a second by one worker process, beside peers: the best run of each"
_SCRIPTS = Path(__file__).parent / "peers"
_OF_ALL = {"rate": "jobs/s", "per_core": "jobs per second of the worker's processor time"}


@dataclass(frozen=True, slots=True)
class Peer:
    """One system, and how it is set: after its own documentation, for throughput."""

    title: str
    script: str
    share: float
    """Of the jobs: the slow ones get fewer."""
    aim: str = ""
    more: Mapping[str, str] | None = None


PEERS = (
    Peer("PgQueuer (asyncpg, uvloop, batch 100)", "pgqueuer_peer.py", 1, "≥ 1.0"),
    Peer("awa (100 at once)", "awa_peer.py", 1),
    Peer("Procrastinate (100 at once, successful jobs deleted)", "procrastinate_peer.py", 0.1),
    Peer("Celery + SQS (solo, prefetch 10, results ignored)", "celery_sqs.py", 0.1),
    Peer("Celery + SQS (results in PostgreSQL)", "celery_sqs.py", 0.05, "≥ 30", {"RESULTS": "1"}),
    Peer("dramatiq + SQS (8 threads)", "dramatiq_sqs_peer.py", 0.1),
    Peer("the code we began with (ORM, one message at a time)", "seed.py", 0.02, "≥ 100"),
)


def run(stage: Stage) -> Iterator[Figure]:
    """Rates by the clock, and by the worker's own processor time, which a busy machine blurs less.

    A peer counts in its task; Todoke's time ends when the last row is SUCCESS and its history is written. Of each the
    best run counts.
    """
    contenders: dict[str, Callable[[], dict[str, float]]] = {"Todoke": lambda: _ours(stage)}
    contenders |= {peer.title: lambda peer=peer: _peer(stage, peer) for peer in PEERS}  # type: ignore[misc]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for _ in range(max(1, stage.rounds - 1)):
        for name, contender in contenders.items():
            found[name].append(contender())
    ours = {figure: _best(found["Todoke"], figure) for figure in _OF_ALL}
    for figure, unit in _OF_ALL.items():
        yield Figure("Todoke", ours[figure], unit)
        for peer in PEERS:
            theirs = _best(found[peer.title], figure)
            yield Figure(peer.title, theirs, unit)
            yield Figure(f"Todoke ÷ {peer.title}", ours[figure] / theirs, "", peer.aim if figure == "rate" else "")


def _best(runs: Sequence[Mapping[str, float]], figure: str) -> float:
    return max(once[figure] for once in runs)


def _ours(stage: Stage) -> dict[str, float]:
    env = {"DATABASE_URL": stage.database(), "QUEUE_URL": stage.queue(), "JOBS": str(stage.jobs)}
    return submit_and_work([sys.executable, "-m", "tests.benchmarks.todoke_case"], env)


def _peer(stage: Stage, peer: Peer) -> dict[str, float]:
    namespace = f"bench-{os.urandom(4).hex()}"
    stage.sqs.queue(f"{namespace}_default")  # dramatiq looks before it makes
    env = {
        "DATABASE_URL": stage.empty_database(),
        "JOBS": str(max(200, int(stage.jobs * peer.share))),
        "QUEUE_URL": stage.queue(),
        "NAMESPACE": namespace,
        "SQS_HOST": stage.sqs.url.removeprefix("http://"),
        "AWS_REGION": counting.REGION,
        **(peer.more or {}),
    }
    return submit_and_work([str(python_of_peers()), str(_SCRIPTS / peer.script)], env)


def python_of_peers() -> Path:
    """The interpreter of the peers' own environment, made at the first call from locked packages."""
    home = ROOT / ".todoke" / "peers"
    python, stamp, lock = home / "bin" / "python", home / "installed", _SCRIPTS / "requirements.lock"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*install, "--no-deps", "-r", str(lock)], check=True)
        stamp.touch()
    return python


def submit_and_work(command: Sequence[str], env: Mapping[str, str], *, within_s: float = 240) -> dict[str, float]:
    """Jobs first, then a worker until it tells how fast it was."""
    everything = {**os.environ, **env}
    subprocess.run([*command, "submit"], env=everything, cwd=ROOT, timeout=within_s, capture_output=True, check=True)
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*command, "work"], env=everything, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        timer = threading.Timer(within_s, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith('{"rate"'):
                    told: dict[str, float] = json.loads(line)
                    return told
            errors.seek(0)
            raise RuntimeError(f"{command[-1]} told nothing within {within_s:g} s: {errors.read()[-2000:]}")
        finally:
            timer.cancel()
            process.kill()
            process.wait(30)

"""`python -m tests.protocol.crash.long --seed 7 --count 10000`: seeded faults of every kind, overlapping, for hours.

Each round draws some cases of the crash matrix, with more faults beside them that may happen, and plays them before
the first has been recovered from. Then every promise is asked. A round is drawn from the seed and its own number
alone: `--round 17` plays that one again.
"""

import argparse
import contextlib
import itertools
import random
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.protocol.crash.matrix import Case, cases, record
from tests.protocol.crash.scene import Scene, play
from tests.protocol.crash.stage import opened
from tests.support.faults.plan import STALLS, Fault, Hit
from tests.support.postgres import server as postgres
from tests.support.processes.zygote import Zygote

_LANES = 4
_ROUNDS_A_STAGE = 40
"""A new database now and then: what is asked of a large one takes longer than the faults."""
_SHOWN_EVERY_S = 30.0


class Storm:
    """All rounds together, and what went wrong in them."""

    def __init__(self, seed: int, count: int, *, begin: int = 0, only: int | None = None) -> None:
        self.happened: Counter[Fault] = Counter()
        self.rounds = 0
        self._seed = seed
        self._count = count
        self._numbers = itertools.count(begin) if only is None else iter([only])
        self._lock = threading.Lock()
        self._failed = threading.Event()
        self._shown_at = time.monotonic()

    def lane(self, zygote: Zygote, server: postgres.Server, folder: Path, drawn: Sequence[Case]) -> None:
        """Play rounds until there are enough, on one stage after the other."""
        for number in itertools.count():
            with postgres.database(server) as url, opened(zygote, url, folder / f"stage-{number}") as stage:
                for _ in range(_ROUNDS_A_STAGE):
                    round_ = self._next()
                    if round_ is None:
                        return
                    try:
                        self._count_up(play(stage, scenes(drawn, random.Random(f"{self._seed}/{round_}"))))
                    except BaseException as error:
                        self._failed.set()
                        print(f"failed: --seed {self._seed} --round {round_}: {error!r}", file=sys.stderr, flush=True)
                        raise

    def _next(self) -> int | None:
        with self._lock:
            if self._failed.is_set() or self.happened.total() >= self._count:
                return None
            return next(self._numbers, None)

    def _count_up(self, happened: Counter[Fault]) -> None:
        with self._lock:
            self.happened += happened
            self.rounds += 1
            if time.monotonic() - self._shown_at > _SHOWN_EVERY_S:
                self._shown_at = time.monotonic()
                print(f"{self.happened.total()} faults in {self.rounds} rounds", flush=True)


def scenes(drawn: Sequence[Case], chance: random.Random) -> list[Scene]:
    """Two to six cases, each with a few more faults of its service beside it."""
    chosen = [chance.choice(drawn) for _ in range(chance.randint(2, 6))]
    return [case.scene(_besides(case, drawn, chance)) for case in chosen]


def _besides(case: Case, drawn: Sequence[Case], chance: random.Random) -> dict[Hit, Fault]:
    """Freezing is left to the cases themselves: who is frozen at a place that nobody waits for is not woken."""
    others = [c for c in drawn if c.effect.service == case.effect.service and c.fault not in STALLS]
    extra = [chance.choice(others) for _ in range(3)]
    return {Hit(other.effect.name, chance.randint(2, 3)): other.fault for other in extra}


def main() -> int:
    """Run. Returns 0 when every promise held."""
    parser = argparse.ArgumentParser(prog="python -m tests.protocol.crash.long", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--count", type=int, default=10_000, help="faults, at least")
    parser.add_argument("--round", type=int, help="play this round only")
    parser.add_argument("--begin", type=int, default=0, help="begin with this round, where a run was broken off")
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="todoke-storm-") as name:
        folder = Path(name)
        storm = Storm(asked.seed, asked.count, begin=asked.begin, only=asked.round)
        with Zygote(folder / "zygote.log") as zygote, postgres.server() as server:
            with contextlib.ExitStack() as stack:
                urls = [stack.enter_context(postgres.database(server)) for _ in range(2)]
                stages = [
                    stack.enter_context(opened(zygote, url, folder / f"recording-{number}"))
                    for number, url in enumerate(urls)
                ]
                drawn = sorted(cases(record(stages)), key=str)  # what is recorded first is chance
            with ThreadPoolExecutor(_LANES) as pool:
                for lane in range(_LANES):
                    (folder / f"lane-{lane}").mkdir()
                lanes = [
                    pool.submit(storm.lane, zygote, server, folder / f"lane-{lane}", drawn) for lane in range(_LANES)
                ]
                for each in lanes:
                    each.result()
    minutes = (time.monotonic() - began) / 60
    print(f"{storm.happened.total()} faults in {storm.rounds} rounds and {minutes:.1f} minutes: every promise held")
    for fault, times in storm.happened.most_common():
        print(f"  {times:6} {fault}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

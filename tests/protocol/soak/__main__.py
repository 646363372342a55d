"""`python -m tests.protocol.soak --minutes 10 --seed 1`: load and faults, then rest, then the verdict; 0 if clean."""

import argparse
import json
import math
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.database.engine import create_engine
from tests.protocol.soak.clients import Client
from tests.protocol.soak.faults import Trouble
from tests.protocol.soak.scoreboard import Scoreboard
from tests.protocol.soak.voices import ByHand, Voice, WithTodoke
from tests.protocol.soak.whole_system import LEASE_S, Stage, make_folder, stage
from tests.support.history.checker import check
from tests.support.history.facts import History, Rang
from tests.support.history.gather import read_store, read_tables, read_worker_log

DRAIN_S = 180.0
"""After the last fault the system comes to rest within this: the sum of the longest waits that its settings allow
(a lease, a doorbell rung again, a connection's back-off) with room for a slow machine."""
_RECOVERY_S = LEASE_S + 60.0
"""A job of a dead worker moves on within this although faults go on; the aim of a second after the lease is for a
system that is otherwise well, and is printed beside it."""
_CLIENTS = 4
_TIME_PASSES_EVERY_S = 5.0
"""At rest a delivery that is to be tried in minutes, or was a dead relay's, is due at once: as often as this."""


def main() -> int:
    """Run a soak and print its scoreboard."""
    parser = argparse.ArgumentParser(prog="python -m tests.protocol.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of load and faults (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=None, help="of the faults and of what clients ask; default: drawn")
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    parser.add_argument("--keep", type=Path, help="keep logs and files in this folder")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if arguments.seed is None else arguments.seed
    print(f"soak of {arguments.minutes:g} minutes, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="todoke-soak-", ignore_cleanup_errors=True) as folder:
        board = soak(make_folder(arguments.keep or Path(folder)), minutes=arguments.minutes, seed=seed)
    print(board.text())
    if arguments.json:
        arguments.json.write_text(json.dumps(board.figures(), indent=2))
    print("clean" if board.clean else f"BROKEN: again with --minutes {arguments.minutes:g} --seed {seed}")
    return 0 if board.clean else 1


def soak(folder: Path, *, minutes: float, seed: int) -> Scoreboard:
    """Load and faults for that long, then the drain and the check."""
    history = History(lease_s=LEASE_S, recovery_s=_RECOVERY_S)
    with stage(folder, seed=seed) as system:
        clients = [
            Client(_voice(system, n), history, number=n, seed=seed, at_once=3) for n in range(_CLIENTS)
        ]  # fmt: skip
        threads = [threading.Thread(target=client.run, name="client", daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        trouble = Trouble(system, seed)
        trouble.run(minutes * 60)
        system.heal()
        for client in clients:
            client.enough.set()
        drained_s = _drain(system, clients, history)
        for client in clients:
            client.stop.set()
        for thread in threads:
            thread.join(30)
        for name in ("api", "worker", "relay"):
            system.services.stop(name)
        _gather(system, history)
    return Scoreboard(minutes, seed, drained_s, trouble.counts, trouble.held, history, check(history), system.told.met)


def _voice(system: Stage, number: int) -> Voice:
    """Every other client is the one that people use."""
    url = system.services.url
    return ByHand(url) if number % 2 else WithTodoke(url, system.folder / "downloads" / str(number))


def _drain(system: Stage, clients: list[Client], history: History) -> float | None:
    """Wait until nothing is under way. Returns the seconds that took."""
    began = time.monotonic()
    time_passes_at = began
    pause = threading.Event()
    engine = create_engine(system.url, application_name="soak")
    with engine.connect() as conn:
        system.told.end_schedules(conn, history)
        while (took := time.monotonic() - began) < DRAIN_S:
            if not any(client.waiting_for for client in clients) and _at_rest(conn):
                break
            if time.monotonic() >= time_passes_at:
                time_passes_at = time.monotonic() + _TIME_PASSES_EVERY_S
                system.told.let_time_pass(conn)
            system.restore()
            pause.wait(0.5)
        else:
            took = math.inf
    engine.dispose()
    return took if took < DRAIN_S else None


def _at_rest(conn: Connection) -> bool:
    left = text(
        "SELECT (SELECT count(*) FROM jobs WHERE finished_at IS NULL) + (SELECT count(*) FROM outbox) "
        "+ (SELECT count(*) FROM outbox_retry) + (SELECT count(*) FROM webhook_events WHERE spread_at IS NULL) "
        "+ (SELECT count(*) FROM webhook_deliveries WHERE state = 'waiting')"
    )
    return bool(conn.execute(left).scalar_one() == 0)


def _gather(system: Stage, history: History) -> None:
    """The inside, once every process has ended."""
    ended, history.schedules = history.schedules, []
    engine = create_engine(system.url, application_name="soak")
    with engine.connect() as conn:
        read_tables(conn, history)
    engine.dispose()
    history.schedules, history.posted = ended, system.told.posted
    assert not system.told.wrong, system.told.wrong
    read_store(system.services.artifacts, history)
    for log in system.folder.glob("worker*.log"):
        read_worker_log(log, history)
    history.died, history.locked, history.catalogs = system.died, system.locked, system.catalogs
    now, now_monotonic = time.time(), time.monotonic()
    history.rang = []
    for call in system.door.queues.calls:
        if call.operation == "SendMessageBatch" and call.queue == "jobs" and call.answer is not None:
            accepted = {entry["Id"] for entry in call.answer["Successful"]}
            bodies = [e["MessageBody"] for e in call.body["Entries"] if e["Id"] in accepted]
            history.rang += [Rang(body, now - now_monotonic + call.at) for body in bodies]
    history.floor_violations = (system.folder / "relay.log").read_text(errors="replace").count("outbox.floor_violated")


if __name__ == "__main__":
    sys.exit(main())

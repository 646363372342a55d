"""A storm over the outbox: producers that roll back and delay, snapshots that are held, relays that crash midway."""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from unittest.mock import patch

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.relay.metrics import FLOOR_VIOLATIONS
from shared.database.engine import create_engine, transactional
from shared.outbox.floor import Floor
from shared.queues.interface import Outgoing, SendResult
from tests.support.relay import a_publisher
from tests.support.sqs.double import InMemoryQueue

_INSERT = text("""
    INSERT INTO outbox (topic, group_key, payload)
    SELECT 'jobs', 't', :name || '-' || g FROM generate_series(1, :rows) AS g
""")
_PRODUCERS, _RELAYS = 4, 3
_LONGEST_TRANSACTION_S = 0.4
_SNAPSHOT_S = 1.5


class Crash(BaseException):
    """The relay's process ends here."""


@dataclass
class Outcome:
    """What went in and what came out."""

    committed: set[str] = field(default_factory=set)
    rolled_back: int = 0
    received: Counter[str] = field(default_factory=Counter)
    crashes: int = 0
    violations: int = 0
    """Rows that an audit found below a floor."""
    left: int = 0
    """Rows that are still in the table."""
    table_bytes: int = 0
    all_rows_bytes: int = 0
    """The size of the table if no space were reused."""


class Storm:
    """`rows` committed rows through three relays. Everything random comes from `seed`, except the threads' pace."""

    def __init__(self, engine: Engine, database_url: str, *, rows: int, seed: int, largest: int = 200) -> None:
        self._engine = engine
        self._url = database_url
        self._rows = rows
        self._seed = seed
        self._largest = largest
        self._lock = threading.Lock()
        self._produced = threading.Event()
        self._over = threading.Event()
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Run until everything committed has been sent."""
        before = FLOOR_VIOLATIONS._value.get()
        quick = partial(Floor, settle_every_s=0.05, audit_every_s=0.5)
        with patch("services.relay.publisher.Floor", quick):
            producers = self._threads(self._produce, _PRODUCERS)
            others = [*self._threads(self._relay, _RELAYS), *self._threads(self._hold_snapshots, 1),
                      *self._threads(self._vacuum, 1)]  # fmt: skip
            for producer in producers:
                producer.join()
            self._produced.set()
            self._wait_until_empty()
            self._over.set()
            for other in others:
                other.join()
        self._measure()
        self.outcome.violations = int(FLOOR_VIOLATIONS._value.get() - before)
        return self.outcome

    def _threads(self, work: Callable[[int], None], count: int) -> list[threading.Thread]:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        return threads

    def _produce(self, number: int) -> None:
        chance = random.Random(self._seed * 100 + number)
        committed = turn = 0
        with self._transactions() as conn:
            while committed < self._rows / _PRODUCERS:
                turn += 1
                names = [f"{number}-{turn}-{n}" for n in range(chance.randint(1, 3))]
                sizes = [chance.randint(1, self._largest) for _ in names]
                for name, size in zip(names, sizes, strict=True):
                    conn.execute(_INSERT, {"name": name, "rows": size})
                    if chance.random() < 0.1:  # commits late, after ids above its own
                        self._over.wait(chance.uniform(0, _LONGEST_TRANSACTION_S))
                committed += self._end(conn, names, sizes, keep=chance.random() > 0.2)

    def _transactions(self) -> Connection:
        return transactional(self._engine).connect()

    def _end(self, conn: Connection, names: Sequence[str], sizes: Sequence[int], *, keep: bool) -> int:
        own = {f"{name}-{g}" for name, size in zip(names, sizes, strict=True) for g in range(1, size + 1)}
        if not keep:
            conn.rollback()
            self.outcome.rolled_back += len(own)
            return 0
        with self._lock:
            self.outcome.committed |= own  # before the commit: a relay may be faster than this thread
        conn.commit()
        return len(own)

    def _relay(self, number: int) -> None:
        """Run one relay process after another: each crashes sooner or later."""
        chance = random.Random(self._seed * 100 + 50 + number)
        while not self._over.is_set():
            engine = create_engine(self._url, application_name="storm-relay", pool_size=1)
            with contextlib.suppress(Crash):
                publisher = a_publisher(engine, _Sink(self, chance), batch=chance.choice([50, 500, 1000]))
                while not self._over.is_set():
                    if publisher.run_once() == 0:
                        self._over.wait(0.005)
            engine.dispose()

    def _hold_snapshots(self, _number: int) -> None:
        with self._transactions() as conn:
            while not self._produced.is_set():
                conn.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
                conn.execute(text("SELECT count(*) FROM outbox_retry"))
                self._produced.wait(_SNAPSHOT_S)
                conn.rollback()

    def _vacuum(self, _number: int) -> None:
        """Vacuum as autovacuum does, which runs only once a minute."""
        with self._engine.connect() as conn:
            while not self._over.wait(0.5):
                conn.execute(text("VACUUM outbox"))

    def _wait_until_empty(self) -> None:
        give_up_at = time.monotonic() + 120
        with self._engine.connect() as conn:
            while (
                time.monotonic() < give_up_at and conn.execute(text("SELECT EXISTS (SELECT FROM outbox)")).scalar_one()
            ):
                self._over.wait(0.05)

    def _measure(self) -> None:
        outcome = self.outcome
        with self._engine.connect() as conn:
            outcome.left = conn.execute(text("SELECT count(*) FROM outbox")).scalar_one()
            outcome.table_bytes = conn.execute(text("SELECT pg_table_size('outbox')")).scalar_one()
            drawn = conn.execute(text("SELECT last_value FROM outbox_id_seq")).scalar_one()
        outcome.all_rows_bytes = drawn * 80  # header 24, pointer 4, xid and id 16, the texts 20, the time 8, padding

    def receive(self, bodies: Sequence[str]) -> None:
        """Record what the queue accepts."""
        with self._lock:
            self.outcome.received.update(bodies)

    def crash(self) -> None:
        """Record the end of a relay."""
        with self._lock:
            self.outcome.crashes += 1
        raise Crash


class _Sink(InMemoryQueue):
    """Accepts everything; now and then the relay dies before or after that."""

    def __init__(self, storm: Storm, chance: random.Random) -> None:
        super().__init__()
        self._storm = storm
        self._chance = chance

    def send(self, messages: Sequence[Outgoing], *, deadline_s: float) -> SendResult:
        """See `Queue.send`."""
        del deadline_s
        if self._chance.random() < 0.01:
            self._storm.crash()
        self._storm.receive([m.body for m in messages])
        if self._chance.random() < 0.01:
            self._storm.crash()
        return SendResult(frozenset(m.key for m in messages), ())

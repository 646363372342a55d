"""Whatever a message contains, the worker continues, starts only existing jobs, and handles the message."""

import json
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.engine import Connection, Engine

from services.worker.cooldown import Cooldown
from services.worker.held import Held
from services.worker.in_flight import InFlight
from services.worker.intake import Intake
from services.worker.pollers import Pollers
from shared.jobs.doorbell import read_doorbell
from shared.queues.interface import Received
from tests.security.hostile import MARKUP, PATHS, SQL
from tests.support.jobs import a_job, row
from tests.support.promises import broken
from tests.support.worker import worker_parts

SEED = 20261125
_BODIES = 100_000
_DELIVERIES = 3_000


_ID = "01a210c2-16c8-7bd0-8471-bfad4bdad35e"
_VALUES = (
    None, True, 0, -1, 10**400, 1e308, "", _ID, _ID.upper(), _ID.replace("-", ""), f"{{{_ID}}}", f"urn:uuid:{_ID}",
    "\uff11" * 32, *SQL, *PATHS, *MARKUP,
)  # fmt: skip
_ALPHABETS = ("0123456789abcdef-", '{}[]":,\\', "\0\ud800\udfff\ufeff", "".join(map(chr, range(32, 400))))


class _Fuzz:
    """Message bodies, from plausible to noise, the same ones for the same seed."""

    def __init__(self, seed: int, jobs: Sequence[UUID] = ()) -> None:
        self.random = random.Random(seed)
        self._jobs = [str(job) for job in jobs]

    def body(self) -> str:
        make = self.random.choice(
            [self._noise, self._document, self._document, self._broken, self._nested, self._doorbell]
        )
        return make()

    def headers(self) -> dict[str, str]:
        names = ["traceparent", "todoke-previous-attempt", "todoke-reason", self._text(8)]
        return {self.random.choice(names): self._text(60) for _ in range(self.random.randrange(3))}

    def _text(self, most: int) -> str:
        alphabet = self.random.choice(
            ["0123456789abcdef-", '{}[]":,\\', "\0\ud800\udfff\ufeff", "".join(map(chr, range(32, 400)))]
        )
        return "".join(self.random.choices(alphabet, k=self.random.randrange(most)))

    def _noise(self) -> str:
        return self._text(200)

    def _value(self, depth: int = 0) -> Any:
        if depth < 3 and self.random.random() < 0.2:
            inner = self._value(depth + 1)
            return [inner] if self.random.random() < 0.5 else {self._text(5): inner}
        if self.random.random() < 0.3:
            return self._text(40)
        return self.random.choice([*_VALUES, *self._jobs[:3]])

    def _document(self) -> str:
        name = self.random.choice(["jobId", "jobId", "jobid", "job_id", "", "Records", "Message"])
        return json.dumps({name: self._value(), self._text(5): self._value()})

    def _broken(self) -> str:
        whole = self._document()
        at = self.random.randrange(len(whole))
        return (
            whole[:at]
            + self.random.choice(["", "\0", "}", '"', "NaN", self._text(5)])
            + whole[at + self.random.randrange(3) :]
        )

    def _nested(self) -> str:
        depth = self.random.choice([10, 1_000, 5_000])
        return self.random.choice(["[", '{"jobId":', '{"a":[']) * depth

    def _doorbell(self) -> str:
        return json.dumps({"jobId": self.random.choice(self._jobs or [str(uuid4())])})


def test_no_message_can_crash_the_reading_of_it() -> None:
    fuzz = _Fuzz(SEED)
    answers = {"": 0, "malformed": 0, "foreign": 0}
    for _ in range(_BODIES):
        job_id, problem = read_doorbell(fuzz.body())
        assert (job_id is not None) == (problem == "")
        answers[problem] += 1

    print(f"{_BODIES} bodies, seed {SEED}: {answers}")
    assert min(answers.values()) > _BODIES / 100, "the fuzz is not one-sided"


class _Tape:
    """A queue that plays deliveries, and notes what becomes of each."""

    def __init__(self, deliveries: Sequence[Received]) -> None:
        self._left = list(deliveries)
        self.fates: dict[str, str] = {}

    def receive(self, most: int, **_: float) -> list[Received]:
        taken, self._left = self._left[:most], self._left[most:]
        return taken

    def delete(self, receipts: Sequence[str]) -> frozenset[str]:
        return self._note(receipts, "deleted")

    def extend(self, receipts: Sequence[str], *, visibility_s: float) -> frozenset[str]:
        assert visibility_s > 0, "a message that comes back at once makes a worker spin"
        return self._note(receipts, "hidden")

    def dead_letter(self, message: Received, *, reason: str) -> bool:
        self._note([message.receipt], f"dead: {reason}")
        return True

    def _note(self, receipts: Sequence[str], fate: str) -> frozenset[str]:
        for receipt in receipts:
            assert receipt not in self.fates, "each delivery has one fate"
            self.fates[receipt] = fate
        return frozenset(receipts)


def test_poisoned_deliveries_neither_stop_a_worker_nor_start_what_is_not_there(
    engine: Engine, conn: Connection, tmp_path: Path
) -> None:
    jobs = [a_job(conn) for _ in range(50)]
    fuzz = _Fuzz(SEED + 1, jobs)
    tape = _Tape([
        Received(f"m{n}", f"r{n}", fuzz.body(), fuzz.headers(), fuzz.random.choice([1, 2, 5, 19, 1000, -1]))
        for n in range(_DELIVERIES)
    ])  # fmt: skip
    in_flight = InFlight(10)
    begun: list[UUID] = []

    def dispatch(started: Sequence[Held]) -> None:
        for held in started:
            begun.append(held.lease.job_id)
            tape.fates[held.receipt] = "started"
            in_flight.work_ended()
            in_flight.remove([held.lease])

    parts = worker_parts(
        engine, tape, tmp_path,  # type: ignore[arg-type] # the tape has what is needed of a queue
        WORKER_LEASE_S=600, WORKER_POLL_S=0,
    )  # fmt: skip
    stop = threading.Event()
    intake = Intake(parts, in_flight, dispatch, Cooldown(), stop=stop)
    pollers = Pollers(parts, in_flight, intake, stop=stop, behind=lambda: False)
    while pollers.run_once():
        intake.run_once()

    assert len(tape.fates) == _DELIVERIES
    assert sorted(begun) == sorted(jobs), "each job is started once, and nothing else is"
    assert {row(conn, job).attempt for job in jobs} == {1}
    assert broken(conn, at_rest=False) == {}
    kinds = {fate: list(tape.fates.values()).count(fate) for fate in set(tape.fates.values())}
    print(f"{_DELIVERIES} deliveries, seed {SEED + 1}: {kinds}")
    assert {"started", "deleted", "hidden", "dead: malformed", "dead: foreign", "dead: unknown"} == set(kinds)

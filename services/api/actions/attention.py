"""Conditions that need an operator's attention, derived from the measurements.

To add a condition, add a function to the list below. The bounds are those of the alerts (deploy/prometheus/rules), and
a test compares them, so that the page and the pager agree.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from shared.jobs.measurements import Measured, Subject
from shared.jobs.totals import Failing
from shared.jobs.workers import Seen

NOT_MEASURED_S = 60.0
OUTBOX_STUCK_S = 60.0
WAITING_LONG_S = 300.0
"""The alerts' objective as well: a job is final within five minutes."""
HELD_LONG_S = 300.0
ERASURES_WAIT_S = 900.0
SNAPSHOT_HELD = 100_000
"""In transactions."""
FAILING_LATELY_S, FAILING_BEFORE_S = 900, 86_400
_FAILED_AT_LEAST, _FAILED_SHARE, _FAILED_TIMES = 5, 0.05, 3.0
"""Failures have risen when at least so many jobs failed lately, so large a share of all, and so many times the earlier
share."""


class Severity(StrEnum):
    """How bad a condition is, in the words of the alerts."""

    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"


class Condition(NamedTuple):
    """Something that needs attention."""

    code: str
    severity: Severity
    message: str
    facts: Mapping[str, Any] = {}
    """The values that the message mentions, for machines. The names are those on the wire."""
    since_s: float | None = None
    """How long the condition has held; None if unknown."""


@dataclass(frozen=True, slots=True)
class State:
    """What the conditions are derived from. A field is None if it could not be read."""

    measured: Mapping[Subject, Measured] | None = None
    workers: Sequence[Seen] | None = None
    failing: Failing | None = None

    def fact(self, subject: Subject, part: str | None = None) -> Any:
        """Return the latest measured value; None if there is none."""
        found = (self.measured or {}).get(subject)
        if found is None:
            return None
        return found.facts if part is None else found.facts.get(part)


def conditions(state: State) -> Sequence[Condition]:
    """Return every condition that needs attention, the most severe first."""
    found = [condition for rule in _RULES if (condition := rule(state)) is not None]
    return sorted(found, key=lambda condition: list(Severity).index(condition.severity))


def _relay_silent(state: State) -> Condition | None:
    if state.measured is None:
        return None
    last = state.measured.get(Subject.DATABASE)
    if last is not None and last.age_s <= NOT_MEASURED_S:
        return None
    told = "no relay has ever measured" if last is None else f"no relay has measured for {last.age_s:.0f} s"
    seen_at = None if last is None else last.at
    words = f"{told.capitalize()}: nothing is sent, swept or removed, and what stands here is old."
    return Condition("relay_silent", Severity.PAGE, words, {"lastSeenAt": seen_at}, last and last.age_s)


def _no_worker(state: State) -> Condition | None:
    if state.workers is None or any(not one.gone for one in state.workers):
        return None
    last = min(state.workers, key=lambda one: one.silent_s, default=None)
    told = "none was seen within a day" if last is None else f"the last one was seen {last.silent_s:.0f} s ago"
    seen_at = None if last is None else last.seen_at
    return Condition(
        "no_worker", Severity.PAGE, f"No worker is running: {told}.", {"lastSeenAt": seen_at}, last and last.silent_s
    )


def _workers_unfit(state: State) -> Condition | None:
    alive = [one for one in state.workers or () if not one.gone]
    sick = [one for one in alive if one.sick]
    if not sick:
        return None
    causes = sorted({str(one.sick) for one in sick})
    severity = Severity.PAGE if len(sick) == len(alive) else Severity.TICKET
    words = f"{len(sick)} of {len(alive)} workers are not taking jobs: {', '.join(causes)}."
    return Condition("workers_unfit", severity, words, {"unfit": len(sick), "alive": len(alive), "causes": causes})


def _old(
    state: State, code: str, severity: Severity, part: str, over_s: float, *,
    words: str, names: Mapping[str, str], age: str = "oldestAgeS",
) -> Condition | None:  # fmt: skip
    """Return a condition if the oldest of something is older than `over_s` seconds.

    `names` are the wire names of the measured values. `words` may contain them in braces, and `age`.
    """
    measured = state.fact(Subject.DATABASE, part)
    if not measured or measured[age] <= over_s:
        return None
    facts = {name: measured[key] for name, key in names.items()}
    told = words.format(**facts, age=f"{measured[age]:.0f} s")
    return Condition(code, severity, told, {**facts, age: measured[age]}, measured[age])


def _outbox_stuck(state: State) -> Condition | None:
    return _old(
        state, "outbox_stuck", Severity.PAGE, "outbox", OUTBOX_STUCK_S, names={"unsent": "unsent"},
        words="Messages are not being sent: the oldest of about {unsent} was written {age} ago.",
    )  # fmt: skip


def _waiting_long(state: State) -> Condition | None:
    return _old(
        state, "waiting_long", Severity.TICKET, "jobs", WAITING_LONG_S, names={"waiting": "waiting"},
        words="The oldest of {waiting} waiting jobs has been ready to start for {age}.", age="oldestWaitingS",
    )  # fmt: skip


def _unknown_type(state: State) -> Condition | None:
    jobs, workers = state.fact(Subject.DATABASE, "jobs"), state.fact(Subject.DATABASE, "workers")
    if not jobs or not workers or not jobs["ofUnknownType"] or not workers["fit"]:
        return None
    words = f"{jobs['ofUnknownType']} jobs wait for a worker that knows their report type."
    return Condition("jobs_of_unknown_type", Severity.TICKET, words, {"jobs": jobs["ofUnknownType"]})


def _dead_letters(state: State) -> Condition | None:
    counted = (state.fact(Subject.QUEUE) or {}).get("deadLetters") or 0
    seen = (state.fact(Subject.DEAD_LETTERS) or {}).get("seen") or 0
    if not (messages := max(counted, seen)):
        return None
    return Condition(
        "dead_letters", Severity.TICKET, f"About {messages} messages lie in the dead-letter queue.",
        {"messages": messages},
    )  # fmt: skip


def _dead_letters_hidden(state: State) -> Condition | None:
    problem = (state.fact(Subject.DEAD_LETTERS) or {}).get("problem")
    if not problem:
        return None
    words = f"The relay cannot look into the dead-letter queue: {problem}."
    return Condition("dead_letters_not_looked_at", Severity.TICKET, words, {"problem": problem})


def _parked(state: State) -> Condition | None:
    outbox = state.fact(Subject.DATABASE, "outbox")
    if not outbox or not outbox["parked"]:
        return None
    words = f"{outbox['parked']} messages can never be sent as they are."
    return Condition("parked_messages", Severity.TICKET, words, {"messages": outbox["parked"]})


def _failures_rising(state: State) -> Condition | None:
    now = state.failing
    if now is None or now.failed < _FAILED_AT_LEAST or now.failed < _FAILED_SHARE * now.jobs:
        return None
    share, before = now.failed / now.jobs, now.failed_before / now.jobs_before if now.jobs_before else 0.0
    if share < _FAILED_TIMES * before:
        return None
    words = f"{now.failed} of the {now.jobs} jobs of the last {FAILING_LATELY_S // 60} minutes failed."
    facts = {"failed": now.failed, "jobs": now.jobs, "share": round(share, 4), "shareBefore": round(before, 4)}
    return Condition("failures_rising", Severity.TICKET, words, facts)


def _erasures_wait(state: State) -> Condition | None:
    return _old(
        state, "erasures_wait", Severity.TICKET, "erasures", ERASURES_WAIT_S, names={"jobs": "waiting"},
        words="Files of {jobs} deleted jobs are still in the store.",
    )  # fmt: skip


def _snapshot_held(state: State) -> Condition | None:
    held = state.fact(Subject.DATABASE, "snapshot")
    if not held or held["age"] <= SNAPSHOT_HELD:
        return None
    who = f"{held['holder']} {held['name']}".strip()
    words = f"The {who} keeps a snapshot {held['age']} transactions old: nothing younger is vacuumed."
    return Condition("snapshot_held", Severity.TICKET, words, {"holder": who, "transactions": held["age"]})


def _held_long(state: State) -> Condition | None:
    return _old(
        state, "held_long", Severity.INFO, "held", HELD_LONG_S, names={"jobs": "messages", "tenants": "tenants"},
        words="{jobs} jobs of {tenants} tenants wait for a turn, a place or the end of a pause.",
    )  # fmt: skip


def _paused(state: State) -> Condition | None:
    paused = state.fact(Subject.DATABASE, "paused")
    if not paused:
        return None
    words = f"{paused} tenants, report types or sources are paused."
    return Condition("paused", Severity.INFO, words, {"paused": paused})


_RULES: Sequence[Callable[[State], Condition | None]] = (
    _relay_silent, _no_worker, _workers_unfit, _outbox_stuck, _waiting_long, _unknown_type, _failures_rising,
    _dead_letters, _dead_letters_hidden, _parked, _erasures_wait, _snapshot_held, _held_long, _paused,
)  # fmt: skip
"""Each rule returns its condition, or None if the condition does not hold."""

"""What a soak did and found, as text for people and as one JSON document."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from shared.jobs.states import Verb
from tests.protocol.soak.whole_system import LEASE_S
from tests.support.history.checker import Verdict
from tests.support.history.facts import History
from tests.support.history.rules_jobs import recoveries

LEAST_JOBS_A_MINUTE = 20
LEAST_FAULTS_A_MINUTE = 3


@dataclass(frozen=True)
class Scoreboard:
    """The figures of one run."""

    minutes: float
    seed: int
    drained_s: float | None
    """From the last fault to rest; None when it never came."""
    faults: Counter[str]
    held: Counter[str]
    history: History
    verdict: Verdict
    told: Counter[str]
    """What receivers of webhooks did with what they were sent."""

    @property
    def clean(self) -> bool:
        """Whether every promise held, the system came to rest in time, and there was something to hold."""
        return not self.verdict.broken and self.drained_s is not None and self.enough

    @property
    def enough(self) -> bool:
        """A run with too little load or too few faults proves nothing."""
        jobs, faults = len(self.history.jobs), sum(self.faults.values())
        return jobs >= LEAST_JOBS_A_MINUTE * self.minutes and faults >= LEAST_FAULTS_A_MINUTE * self.minutes

    def figures(self) -> dict[str, Any]:
        """Everything, by name."""
        healed = sorted(seconds for _, seconds in recoveries(self.history))
        answers = Counter("no answer" if a.status is None else str(a.status) for a in self.history.asked)
        return {
            "minutes": self.minutes,
            "seed": self.seed,
            "clean": self.clean,
            "enough load and faults": self.enough,
            "requests": dict(sorted(answers.items())),
            "jobs": dict(sorted(Counter(str(j.status) for j in self.history.jobs).items())),
            "transitions": len(self.history.events),
            "ticks": dict(sorted(Counter(tick.fate for tick in self.history.ticks).items())),
            "deliveries": dict(sorted(Counter(one.state for one in self.history.deliveries).items())),
            "sent to webhooks": dict(sorted(self.told.items())),
            "looks": len(self.history.shown),
            "downloads": len(self.history.downloaded),
            "faults": dict(sorted(self.faults.items())),
            "directed stalls held": dict(sorted(self.held.items())),
            "given back, worker at fault": dict(sorted(self._given_back().items())),
            "recoveries": len(healed),
            "recoveries within lease + 1 s": sum(s <= LEASE_S + 1 for s in healed),
            "worst recovery, s": round(self.verdict.worst_recovery_s, 2),
            "drained in, s": None if self.drained_s is None else round(self.drained_s, 1),
            "facts checked": dict(self.verdict.looked),
            "broken": dict(self.verdict.broken),
        }

    def _given_back(self) -> Counter[str]:
        ends = {token: end for token, (_, end) in self.history.attempts.items() if end is not None}
        return Counter(
            met.code for met in self.history.met if met.token in ends and ends[met.token].verb == Verb.GIVE_BACK
        )

    def text(self) -> str:
        """For people."""
        lines = []
        for name, value in self.figures().items():
            if isinstance(value, dict):
                total = f"{sum(value.values()):,}" if value and name != "broken" else ("" if value else "none")
                lines.append(f"{name:32}{total}")
                lines += [f"  {key:46}{shown}" for key, shown in value.items()]
            else:
                lines.append(f"{name:32}{value}")
        return "\n".join(lines)

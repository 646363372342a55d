"""The matrix: every effect that a run without faults shows, and every way in which it can go wrong."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.protocol.crash.play import Scene, play
from tests.protocol.crash.scenarios import SCENARIOS, Scenario
from tests.protocol.crash.stage import Stage
from tests.support.faults.plan import KILLS, STALLS, Fault, Hit

_ON_A_WIRE = (*KILLS, *STALLS, Fault.ERROR, Fault.NOT_APPLIED, Fault.REPLY_LOST, Fault.LATE)
_BATCHES = (Fault.THROTTLED, Fault.PARTIAL, Fault.PARTIAL_FOR_GOOD, Fault.LOST)

# What can happen to an effect, by how its name begins; the longest beginning decides.
_WAYS: dict[str, Sequence[Fault]] = {
    "sql ": _ON_A_WIRE,
    "COMMIT": _ON_A_WIRE,
    "sqs ": (*_ON_A_WIRE, Fault.THROTTLED),
    "sqs ReceiveMessage": (*_ON_A_WIRE, Fault.THROTTLED, Fault.DUPLICATE),
    "sqs SendMessageBatch": (*_ON_A_WIRE, *_BATCHES, Fault.DUPLICATE),
    "sqs DeleteMessageBatch": (*_ON_A_WIRE, *_BATCHES),
    "sqs ChangeMessageVisibilityBatch": (*_ON_A_WIRE, *_BATCHES),
    "store ": (*KILLS, Fault.STALL_BEFORE, Fault.ERROR),
    "store fsync .part": (*KILLS, Fault.STALL_BEFORE, Fault.ERROR, Fault.PARTIAL),
    "scratch ": (*KILLS, Fault.ERROR),
    "extract ": (*KILLS, Fault.ERROR),
    "child ": (*KILLS, Fault.ERROR),
    "child sends": KILLS,
    "answer ": KILLS,
}


class Effect(NamedTuple):
    """Something durable that a service does, and the stories in which it does so: the cheapest, then the surest."""

    service: str
    name: str
    scenarios: Sequence[Scenario]

    @property
    def process(self) -> str:
        """Whose effect it is: a service's own, or its report child's."""
        return "report child" if self.name.startswith("child ") else self.service

    def __str__(self) -> str:
        return f"{self.process}: {self.name.removeprefix('child ')}"


class Case(NamedTuple):
    """One effect going wrong in one way."""

    effect: Effect
    fault: Fault

    def __str__(self) -> str:
        return f"{self.effect}: {self.fault}"

    def run(self, stage: Stage) -> None:
        """Play its story with this fault. Raises AssertionError when a promise does not hold."""
        play(stage, [self.scene()])

    def scene(self, besides: Mapping[Hit, Fault] | None = None) -> Scene:
        """What `play` takes."""
        return Scene(self.effect.scenarios, self.effect.service, {Hit(self.effect.name, 1): self.fault}, besides or {})

    @property
    def points(self) -> set[str]:
        """The places in the code's life that it visits: before or after its effect, or at the effect itself."""
        side = {"before": "before ", "after": "after "}.get(self.fault.rpartition(" ")[2], "at ")
        return {f"{side}{self.effect}"}


def record(stage: Stage) -> list[Effect]:
    """Play every story twice without faults. Each effect that comes both times belongs to the first that shows it.

    What comes once only, such as a service's first look at its queue, cannot be relied upon to be met. Nor can what
    comes by the clock: a slow machine shows a heartbeat in the shortest story. So the others are told as well where
    the first story did not meet it, the one with most of it first.
    """
    return [
        Effect(service, name, [*stories][:1] + sorted([*stories][1:], key=stories.__getitem__, reverse=True))
        for service, scenarios in SCENARIOS.items()
        for name, stories in _shown(stage, service, scenarios).items()
    ]


def _shown(stage: Stage, service: str, scenarios: Sequence[Scenario]) -> dict[str, Counter[Scenario]]:
    """Effect → the stories that show it both times, in the order of their cost, and how often at least."""
    found: dict[str, Counter[Scenario]] = {}
    for scenario in scenarios:
        first, second = (_effects(stage, service, scenario) for _ in range(2))
        for name, times in (first & second).items():
            found.setdefault(name, Counter())[scenario] = times
    return found


def _effects(stage: Stage, service: str, scenario: Scenario) -> Counter[str]:
    play(stage, [Scene([scenario], service, {})])
    return Counter(stage.actors[service].seen())


def cases(effects: Sequence[Effect]) -> Iterator[Case]:
    """Every effect in every way."""
    for effect in effects:
        beginning = max((way for way in _WAYS if effect.name.startswith(way)), key=len)
        for fault in _WAYS[beginning]:
            yield Case(effect, fault)

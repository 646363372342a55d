"""The matrix: every effect of a run without faults, and every way in which it can fail."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.protocol.crash.scenarios import AGAIN, BECAUSE_IT_IS_SICK, SCENARIOS, Scenario
from tests.protocol.crash.scene import Scene, play
from tests.protocol.crash.stage import SICK, Stage
from tests.support.faults.plan import KILLS, STALLS, Fault, Hit

_ON_A_WIRE = (*KILLS, *STALLS, Fault.ERROR, Fault.NOT_APPLIED, Fault.REPLY_LOST, Fault.LATE)
_BATCHES = (Fault.THROTTLED, Fault.PARTIAL, Fault.PARTIAL_FOR_GOOD, Fault.LOST)

# What can happen to an effect, by how its name begins; the longest beginning decides.
_WAYS: dict[str, Sequence[Fault]] = {
    "sql ": (*_ON_A_WIRE, Fault.READ_ONLY),
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
    "webhook ": (*_ON_A_WIRE, Fault.THROTTLED),
}


class Effect(NamedTuple):
    """Something durable that a service does, and the stories in which it does so: the cheapest, then the surest."""

    service: str
    name: str
    scenarios: Sequence[Scenario]
    time: int = 1
    """2 for one that the service tries again."""

    @property
    def process(self) -> str:
        """Whose effect it is: a service's own, or its report child's."""
        child = "sick worker's report child" if self.service == SICK else "report child"
        return child if self.name.startswith("child ") else self.service

    def __str__(self) -> str:
        return f"{self.process}: {self.name.removeprefix('child ')}{', again' if self.time > 1 else ''}"


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
        return Scene(
            self.effect.scenarios,
            self.effect.service,
            {Hit(self.effect.name, self.effect.time): self.fault},
            besides or {},
        )

    @property
    def points(self) -> set[str]:
        """The places in the code's life that it visits: before or after its effect, or at the effect itself."""
        side = {"before": "before ", "after": "after "}.get(self.fault.rpartition(" ")[2], "at ")
        return {f"{side}{self.effect}"}


def record(stages: Sequence[Stage]) -> list[Effect]:
    """Play every story twice without faults. Each effect that comes both times belongs to the first that shows it.

    What comes once only, such as a service's first look at its queue, cannot be relied upon to be met. Nor can what
    comes by the clock: a slow machine shows a heartbeat in the shortest story. So the others are told as well where
    the first story did not meet it, the one with most of it first.
    """
    stories = [(service, story) for service, own in SCENARIOS.items() for story in own]
    stories += [(service, story) for (service, _), story in AGAIN.items()]
    shown: dict[tuple[str, Scenario], Counter[str]] = {}
    with ThreadPoolExecutor(len(stages)) as pool:
        for part in pool.map(_shown_twice, stages, [stories[n :: len(stages)] for n in range(len(stages))]):
            shown |= part
    found = [
        Effect(service, name, [*told][:1] + sorted([*told][1:], key=told.__getitem__, reverse=True))
        for service, scenarios in SCENARIOS.items()
        for name, told in _by_effect(service, scenarios, shown).items()
    ]
    own = {effect.name for effect in found if effect.service == "worker"}.difference(BECAUSE_IT_IS_SICK)
    again = [Effect(service, name, [story], time=2) for (service, name), story in AGAIN.items()
             if shown[service, story][name] > 1]  # fmt: skip
    return [*(effect for effect in found if effect.service != SICK or effect.name not in own), *again]


_Shown = Mapping[tuple[str, Scenario], Counter[str]]
"""Service and story → the service's effects in it, and how often each came at least."""


def _shown_twice(stage: Stage, stories: Sequence[tuple[str, Scenario]]) -> _Shown:
    """What each story shows both times that it is told on this stage."""
    return {
        (service, story): _effects(stage, service, story) & _effects(stage, service, story)
        for service, story in stories
    }


def _by_effect(service: str, scenarios: Sequence[Scenario], shown: _Shown) -> dict[str, Counter[Scenario]]:
    """Effect → the stories that show it, in the order of their cost, and how often."""
    found: dict[str, Counter[Scenario]] = {}
    for scenario in scenarios:
        for name, times in shown[service, scenario].items():
            found.setdefault(name, Counter())[scenario] = times
    return found


def _effects(stage: Stage, service: str, scenario: Scenario) -> Counter[str]:
    play(stage, [Scene([scenario], service, {})])
    return Counter(stage.actors[service].seen())


def cases(effects: Sequence[Effect]) -> Iterator[Case]:
    """Every effect in every way that can be told from the others."""
    for effect in effects:
        beginning = max((way for way in _WAYS if effect.name.startswith(way)), key=len)
        for fault in _WAYS[beginning]:
            # Only the relay has a deadline that a late answer misses. To the others it is a slow machine's answer.
            if fault is not Fault.LATE or effect.service == "relay":
                yield Case(effect, fault)

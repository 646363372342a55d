"""Scenes: stories with faults, played one after the other on one stage."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.protocol.crash.play import Play
from tests.protocol.crash.stage import Stage
from tests.support.faults.plan import Fault, Hit

_TOLD = 5


@dataclass(frozen=True)
class Scene:
    """Stories, told in turn until one meets the faults; whom they hit and how. `besides` may happen too, and nobody
    waits for it."""

    stories: Sequence[Callable[[Play], None]]
    victim: str
    faults: Mapping[Hit, Fault]
    besides: Mapping[Hit, Fault] = field(default_factory=dict)


def play(stage: Stage, scenes: Sequence[Scene]) -> Counter[Fault]:
    """Play scenes one upon the other, and check what is left. Returns what went wrong, and how often."""
    one = Play(stage)
    happened: Counter[Fault] = Counter()
    for scene in scenes:
        one.meet(scene)
        for told, story in enumerate(itertools.islice(itertools.cycle(scene.stories), 2 * _TOLD)):
            if told == _TOLD:
                one.leave_besides()  # they may be what keeps the scene's own fault from happening
            story(one)
            if one.until_hit(told % _TOLD):
                break
        else:
            raise AssertionError(
                f"told {2 * _TOLD} times, and {dict(scene.faults)} never happened to the {scene.victim}"
            )
        happened.update(carried.fault for carried in stage.actors[scene.victim].carried_out())
    one.end()
    return happened

"""Stories that the API plays alone, with keys: each of their effects meets every possible fault."""

from collections import Counter
from collections.abc import Callable, Collection

from tests.protocol.crash.conftest import OpenStage
from tests.protocol.crash.matrix import Effect, cases
from tests.protocol.crash.play import Play
from tests.protocol.crash.scene import Scene, play
from tests.protocol.crash.stage import Stage
from tests.support.faults.plan import STALLS, Fault

# What comes by the clock, and not by the story.
_BY_THE_CLOCK = {"sql api_keys.used"}
FAULTS = {Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.ERROR, Fault.REPLY_LOST}
# A frozen process holds its transaction whatever statement it is at: it is frozen where that may have been applied.
_FAULTS_OF_A_COMMIT = {*FAULTS, *STALLS}

Story = Callable[[Play], None]


def play_every_case(
    open_stage: OpenStage, name: str, make: Callable[[Stage], Story], *, must_show: Collection[str]
) -> str:
    """Tell the story once for each effect and fault, on a stage of its own; it must show these effects.

    Returns what was played.
    """
    with open_stage(name, API_AUTH="keys") as stage:
        story = make(stage)
        seen = [_effects(stage, story) for _ in range(2)]
        effects = [Effect("api", effect, [story]) for effect in (seen[0] & seen[1]).keys() - _BY_THE_CLOCK]
        assert {*must_show} - {effect.name for effect in effects} == set()
        played = [case for case in cases(effects) if case.fault in _faults(case.effect)]
        for case in played:
            try:
                case.run(stage)
            except BaseException as error:
                error.add_note(f"in the case {case}")
                raise
    return f"{len(effects)} effects of {name}, {len(played)} cases"


def _faults(effect: Effect) -> Collection[Fault]:
    return _FAULTS_OF_A_COMMIT if effect.name == "COMMIT" else FAULTS


def _effects(stage: Stage, story: Story) -> Counter[str]:
    play(stage, [Scene([story], "api", {})])
    return Counter(stage.actors["api"].seen())

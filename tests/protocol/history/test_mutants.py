"""The checker is tested on the product itself: without one guard, each story breaks the rule for that guard."""

from collections.abc import Callable

import pytest

from tests.protocol.history import many, mutants
from tests.protocol.history.mutants import Mutant
from tests.protocol.history.world import World

MUTANTS = [*mutants.MUTANTS, *many.MUTANTS]
STORIES = list(dict.fromkeys(mutant.scenario for mutant in MUTANTS))


@pytest.mark.parametrize("story", STORIES, ids=[story.__name__ for story in STORIES])
def test_the_product_survives_the_story(world: World, story: Callable[[World], None]) -> None:
    story(world)

    assert world.verdict().broken == {}


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_mutant_is_found(world: World, monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    mutant.apply(monkeypatch, world)
    mutant.scenario(world)

    assert mutant.caught_by in world.verdict().broken

"""Concurrent readers share a query; none gets a result from before its request, or another's error."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from services.api.shared_look import SharedLook
from services.api.watch import Watcher


class Looks:
    """In the place of the Watcher: no look begins before it is let go."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.began, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()

    async def ask(self, work: Callable[..., Any], questions: Sequence[str]) -> Any:
        self.asked.append(questions)
        self.began.set()
        await self.go.wait()
        return work(None, questions)


def answer(_: object, questions: Sequence[str]) -> Sequence[str]:
    if "bad" in questions:
        raise ValueError("bad")
    if "away" in questions:
        raise TimeoutError
    return [question.upper() for question in questions]


async def ask(looks: Looks, *questions: str, most: int = 8) -> list[object]:
    look: SharedLook[str, str] = SharedLook(cast("Watcher", looks), answer, most=most)
    return await asyncio.gather(*map(look.of, questions), return_exceptions=True)


def test_a_row_that_cannot_be_read_harms_nobody_but_who_asked_for_it() -> None:
    one, bad, other = asyncio.run(ask(Looks(), "a", "bad", "c"))

    assert (one, other) == ("A", "C")
    assert isinstance(bad, ValueError)


def test_a_connection_that_is_lost_is_told_at_once_to_all_who_wait_for_it() -> None:
    looks = Looks()
    found = asyncio.run(ask(looks, "a", "away", "b", "c"))

    assert [type(one) for one in found] == [TimeoutError] * 4
    assert looks.asked == [["a", "away"]]


def test_a_look_answers_so_many_at_most() -> None:
    looks = Looks()
    assert asyncio.run(ask(looks, *"abcdefghij", most=2)) == list("ABCDEFGHIJ")
    assert max(map(len, looks.asked)) == 2


def test_who_asks_during_a_look_is_answered_by_the_next() -> None:
    async def ask_late() -> list[Sequence[str]]:
        looks = Looks()
        looks.go.clear()
        look: SharedLook[str, str] = SharedLook(cast("Watcher", looks), answer, most=8)
        early = asyncio.create_task(look.of("a"))
        await looks.began.wait()
        late = asyncio.create_task(look.of("a"))
        await asyncio.sleep(0)
        looks.go.set()
        await asyncio.gather(early, late)
        return looks.asked

    assert asyncio.run(ask_late()) == [["a"], ["a"]]


@pytest.mark.parametrize("other", ["b", "bad"])
def test_one_who_hangs_up_takes_nobody_along(other: str) -> None:
    async def hang_up() -> object:
        looks = Looks()
        looks.go.clear()
        look: SharedLook[str, str] = SharedLook(cast("Watcher", looks), answer, most=8)
        leaves, stays = asyncio.create_task(look.of(other)), asyncio.create_task(look.of("a"))
        await looks.began.wait()
        leaves.cancel()
        looks.go.set()
        return await stays

    assert asyncio.run(hang_up()) == "A"

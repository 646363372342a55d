"""Handles clients that disconnect while they wait for their answer."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.types import Receive

T = TypeVar("T")


class HungUp(Exception):
    """The client has disconnected."""


async def unless_hung_up(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`. When the client disconnects, `work` is cancelled at once and HungUp is raised."""
    working, listening = asyncio.create_task(work), asyncio.create_task(_hang_up(request.receive))
    both = (working, listening)
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise HungUp
        return working.result()
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

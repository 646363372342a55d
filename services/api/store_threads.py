"""Threads for the artifact store alone: when it hangs, downloads wait for one another and nothing else does."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

_THREADS = 32
"""A call takes milliseconds, or ten seconds if the store does not answer."""
_LIMITER: RunVar[CapacityLimiter] = RunVar("todoke_store_threads")
_Ts = TypeVarTuple("_Ts")
_T = TypeVar("_T")


async def in_store_thread(call: Callable[[*_Ts], _T], *given: *_Ts) -> _T:
    """Run `call` in one of these threads, and return its result."""
    try:
        limiter = _LIMITER.get()
    except LookupError:
        limiter = CapacityLimiter(_THREADS)
        _LIMITER.set(limiter)
    return await to_thread.run_sync(call, *given, limiter=limiter)


async def from_the_store(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same pieces, each read in one of these threads. A slow client occupies none."""
    while piece := await in_store_thread(next, pieces, b""):
        yield piece

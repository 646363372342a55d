"""Both clients under one set of tests: the asynchronous one is driven from here as if it were synchronous."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from todoke import AsyncTodoke, Todoke

Handler = Callable[[httpx2.Request], httpx2.Response]
"""Answers what the client asks."""
Make = Callable[..., Todoke]


class Blocking:
    """Calls what it wraps, and waits for it."""

    def __init__(self, wrapped: Any, portal: BlockingPortal) -> None:
        self._wrapped = wrapped
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._wrapped, name)
        if not callable(found):
            return Blocking(found, self._portal) if hasattr(found, "__dict__") else found

        def call(*args: Any, **kwargs: Any) -> Any:
            result = self._portal.call(_awaited, found, args, kwargs)
            return self._each(result) if isinstance(result, AsyncIterator) else result

        return call

    def _each(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        async def one() -> Any:
            return await anext(items, None)

        while (item := self._portal.call(one)) is not None:
            yield item


async def _awaited(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = function(*args, **kwargs)
    return await result if inspect.isawaitable(result) else result


@pytest.fixture(params=["blocking", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes a client of either kind; of a real server, or of a handler that answers in its place."""
    with ExitStack() as stack:

        def make(url: str = "http://api.test", *, handler: Handler | None = None, **options: Any) -> Any:
            transport = httpx2.MockTransport(handler) if handler else None
            if request.param == "blocking":
                client = httpx2.Client(transport=transport) if transport else None
                return stack.enter_context(Todoke(url, http_client=client, **options))
            portal = stack.enter_context(start_blocking_portal())
            other = httpx2.AsyncClient(transport=transport) if transport else None
            todoke = AsyncTodoke(url, http_client=other, **options)
            stack.callback(lambda: portal.call(todoke.close))
            return Blocking(todoke, portal)

        yield make


class Clock:
    """Time that passes while the client pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += max(seconds, 1.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    async def sleep(seconds: float) -> None:
        clock.pause(seconds)

    monkeypatch.setattr("todoke._core.config.monotonic", lambda: clock.now)
    monkeypatch.setattr("todoke.client.time.sleep", clock.pause)
    monkeypatch.setattr("todoke.async_client.anyio.sleep", sleep)
    return clock


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are drawn at random from zero up; here each is zero."""
    monkeypatch.setattr("todoke._core.config.random", lambda: 0.0)
    for name in ("TODOKE_URL", "TODOKE_API_KEY", "TODOKE_PROFILE"):
        monkeypatch.delenv(name, raising=False)

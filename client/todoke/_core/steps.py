"""The steps that a flow asks its shell for.

A flow is a generator: it yields a step, is sent what came of it, and returns its result. What goes wrong is thrown
into it. So each decision is made once, here below, for the client that blocks and for the one that does not.
"""

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. `body` is empty if a writer took it."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes = field(default=b"", repr=False)


class Writer(Protocol):
    """Takes a body piece by piece."""

    blocking: bool
    """True if taking a piece may wait for a disk."""

    def write(self, piece: bytes) -> Iterable[Any]:
        """Take a piece. What it returns goes to whoever iterates over the flow."""

    @property
    def enough(self) -> bool:
        """True if nothing more is wanted: the connection is closed then."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request. Sends back the Answer; throws ConnectionFailed or UnexpectedAnswer."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    connect_s: float
    read_s: float
    """How long the server may stay silent."""
    total_s: float | None
    """How long the whole answer may take; None for a body that a writer takes."""
    most_bytes: int
    """Of a body that no writer takes."""
    foreign: bool = False
    """True for an address that a redirect led to: nothing of the caller's own is sent there."""
    writer_for: Callable[[Answer], Writer | None] | None = field(default=None, repr=False)
    """Who takes the body of an answer with this head, as it is on the wire; None for nobody."""
    long: bool = False
    """True for an answer that takes its time: it comes when something has happened, or is a file."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Local:
    """Run something that waits for this machine's disk. Sends back its result; throws what it raises."""

    run: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Emit:
    """Give an item to whoever iterates over the flow."""

    item: Any


Step = Send | Sleep | Local | Emit
Flow = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class Done:
    """A flow's result."""

    result: Any


def next_step(flow: Flow[Any], came: object = None, error: BaseException | None = None) -> Step | Done:
    """What the flow wants next, after what came of its last step or went wrong with it. Raises what the flow raises."""
    try:
        return flow.send(came) if error is None else flow.throw(error)
    except StopIteration as done:
        return Done(done.value)


class Run(Protocol):
    """Carries a flow out in a shell that blocks."""

    def __call__(self, flow: Flow[T]) -> T:
        """The flow's result."""


class Iterate(Protocol):
    """Carries a flow out in a shell that blocks, item by item."""

    def __call__(self, flow: Flow[Any]) -> Iterator[Any]:
        """What the flow emits, as it comes."""


class AsyncRun(Protocol):
    """Carries a flow out in a shell that does not block."""

    async def __call__(self, flow: Flow[T]) -> T:
        """The flow's result."""


class AsyncIterate(Protocol):
    """Carries a flow out in a shell that does not block, item by item."""

    def __call__(self, flow: Flow[Any]) -> AsyncIterator[Any]:
        """What the flow emits, as it comes."""

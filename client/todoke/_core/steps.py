"""The steps that a flow asks its shell to carry out.

A flow is a generator: it yields a step, is sent the step's result, and returns its own. Errors are thrown into it. So
each decision is made once, here, for the synchronous and the asynchronous client.
"""

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer. `body` is empty if a writer took it."""

    status: int
    headers: Mapping[str, str]
    """By lower-case names."""
    body: bytes = field(default=b"", repr=False)


class Writer(Protocol):
    """Takes a body piece by piece."""

    blocking: bool
    """True if taking a piece may block on a disk."""

    def write(self, piece: bytes) -> Iterable[Any]:
        """Take a piece. The returned items go to the caller that iterates over the flow."""

    @property
    def enough(self) -> bool:
        """True if nothing more is wanted: the connection is then closed."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request. The result is the Answer; throws ConnectionFailed or UnexpectedAnswer."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    connect_s: float
    read_s: float
    """Seconds for which the server may be silent."""
    total_s: float | None
    """Seconds that the whole answer may take; None for a body that a writer takes."""
    most_bytes: int
    """The limit for a body that no writer takes."""
    foreign: bool = False
    """True for an address that a redirect led to: the caller's credentials are not sent there."""
    writer_for: Callable[[Answer], Writer | None] | None = field(default=None, repr=False)
    """Chooses, by an answer's head, the writer that takes its body as it is on the wire; None for no writer."""
    long: bool = False
    """True for an answer that takes long: it waits for an event, or is a file."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Local:
    """Run something that blocks on the local disk. The result is its own; throws what it raises."""

    run: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Emit:
    """Give an item to the caller that iterates over the flow."""

    item: Any


Step = Send | Sleep | Local | Emit
Flow = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class Done:
    """A flow's result."""

    result: Any


def next_step(flow: Flow[Any], came: object = None, error: BaseException | None = None) -> Step | Done:
    """Return the flow's next step, given the result or the error of its last one. Raises what the flow raises."""
    try:
        return flow.send(came) if error is None else flow.throw(error)
    except StopIteration as done:
        return Done(done.value)


class Run(Protocol):
    """Runs a flow in the synchronous shell."""

    def __call__(self, flow: Flow[T]) -> T:
        """Return the flow's result."""


class Iterate(Protocol):
    """Runs a flow in the synchronous shell, item by item."""

    def __call__(self, flow: Flow[Any]) -> Iterator[Any]:
        """Yield what the flow emits."""


class AsyncRun(Protocol):
    """Runs a flow in the asynchronous shell."""

    async def __call__(self, flow: Flow[T]) -> T:
        """The flow's result."""


class AsyncIterate(Protocol):
    """Runs a flow in the asynchronous shell, item by item."""

    def __call__(self, flow: Flow[Any]) -> AsyncIterator[Any]:
        """What the flow emits, as it comes."""

"""Why a job is in its state, as a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from todoke.reading import Fields
from todoke.results import Raw


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason that keeps a job where it is."""

    code: str
    """Stable; later servers may add more."""
    message: str
    facts: Mapping[str, Any]
    """The values in the message, by name."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        facts = {name: value for name, value in read.raw.items() if name not in {"code", "message"}}
        return cls(code=read.text("code"), message=read.some_text("message"), facts=facts, raw=read.raw)


@dataclass(frozen=True, slots=True)
class Why:
    """A job's state and the reasons for it, most important first."""

    id: str
    status: str
    reasons: Sequence[Reason]
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "why a job waits")
        return cls(
            id=read.text("jobId"),
            status=read.text("status"),
            reasons=tuple(Reason.read(one) for one in read.each("reasons")),
            raw=read.raw,
        )

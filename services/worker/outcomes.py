"""How an attempt can end. The finisher writes each kind with its own statement; `Lost` is not written."""

from dataclasses import dataclass

from services.worker.held import Held
from shared.jobs.finish import Failure, GivenBack
from shared.jobs.lease import Lease
from shared.jobs.succeed import Success


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The attempt stopped because the client asked for it, before anything was published."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Lost:
    """The attempt stopped because another holder owns the job: there is nothing to write."""

    lease: Lease


Outcome = Success | Failure | Cancelled | GivenBack | Lost

EndedAttempt = tuple[Held, Outcome]
"""An attempt and how it ended."""

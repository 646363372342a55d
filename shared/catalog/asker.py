"""On whose behalf a report is made."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asker:
    """The one who asked for a job. A query sees it as `:tenant` and `:requester`; no request can set them."""

    tenant: str | None = None
    """None only where a report is tried and nobody asked: a query that compares with it then finds no rows."""
    requester: str | None = None
    """Who it is within the tenant: the name of its API key. None where no keys are asked for."""
    scopes: frozenset[str] = frozenset()
    """Scopes that columns ask for, as far as the asker had them when the job was accepted."""


NOBODY = Asker()
"""Nobody in particular, who has no scope."""


def settings_of(asker: Asker) -> Mapping[str, str]:
    """The settings by which policies tell whose rows to show: `current_setting('todoke.tenant')`. Empty for nobody."""
    return {"todoke.tenant": asker.tenant or "", "todoke.requester": asker.requester or ""}

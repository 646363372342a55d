"""On whose behalf a report is made."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asker:
    """The requester of a job. A query sees it as `:tenant` and `:requester`; no request can set them."""

    tenant: str | None = None
    """None only where a report is tried without a requester: a query that compares with it then finds no rows."""
    requester: str | None = None
    """Its name within the tenant: the name of its API key. None where no keys are required."""
    scopes: frozenset[str] = frozenset()
    """Scopes required by columns that the requester had when the job was accepted."""


NOBODY = Asker()
"""No requester, without any scope."""


def settings_of(asker: Asker) -> Mapping[str, str]:
    """Return the settings by which policies decide whose rows to show: `current_setting('todoke.tenant')`.

    Empty for NOBODY.
    """
    return {"todoke.tenant": asker.tenant or "", "todoke.requester": asker.requester or ""}

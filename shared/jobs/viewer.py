"""Whose jobs somebody sees. Every statement that reads jobs for a client is limited by it, in SQL."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

VISIBLE = """tenant = :tenant AND (CAST(:requester AS text) IS NULL OR requester = :requester)
           AND report_type <> ALL (CAST(:hidden AS text[]))"""
"""A condition on a row of `jobs`. Its parameters are `Viewer.where`."""


class Viewer(NamedTuple):
    """One who looks at jobs."""

    tenant: str
    requester: str | None = None
    """Sees the jobs that this one asked for; None: everybody's of the tenant."""
    hidden: Sequence[str] = ()
    """Report types that do not exist for it, so that their jobs do not, either."""

    @property
    def where(self) -> Mapping[str, object]:
        """The parameters of VISIBLE."""
        return {"tenant": self.tenant, "requester": self.requester, "hidden": list(self.hidden)}

"""Whose jobs a client may see. Every statement that reads jobs for a client is limited by it, in SQL."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

VISIBLE = """tenant = :tenant AND (CAST(:requester AS text) IS NULL OR requester = :requester)
           AND report_type <> ALL (CAST(:hidden AS text[]))"""
"""A condition on a row of `jobs`. Its parameters are `Viewer.where`."""

ASKED = """jsonb_to_recordset(CAST(:asked AS jsonb))
           AS asked(place int, id uuid, tenant text, requester text, hidden jsonb)"""
"""Many jobs, each with a viewer of its own, as a table. Its parameter is `asked_about`."""
SEEN_BY_ASKER = """job.tenant = asked.tenant AND (asked.requester IS NULL OR job.requester = asked.requester)
       AND NOT asked.hidden ? job.report_type"""
"""VISIBLE, for a row `job` of `jobs` beside a row of ASKED."""


class Viewer(NamedTuple):
    """A client that reads jobs."""

    tenant: str
    requester: str | None = None
    """It sees only jobs of this requester; None for all jobs of the tenant."""
    hidden: Sequence[str] = ()
    """Report types that do not exist for it, so their jobs do not, either."""

    @property
    def where(self) -> Mapping[str, object]:
        """The parameters of VISIBLE."""
        return {"tenant": self.tenant, "requester": self.requester, "hidden": list(self.hidden)}


def asked_about(asked: Sequence[tuple[UUID, Viewer]]) -> str:
    """Return the parameter of ASKED. Each entry's `place` is its index in `asked`."""
    rows = [
        {"place": place, "id": str(job_id), "tenant": viewer.tenant, "requester": viewer.requester,
         "hidden": list(viewer.hidden)}
        for place, (job_id, viewer) in enumerate(asked)
    ]  # fmt: skip
    return json.dumps(rows)

"""Where to go from a job."""

from urllib.parse import quote
from uuid import UUID


def job_url(job_id: UUID | str, root: str) -> str:
    """Where a job is, for a client; `root` is the path under which a proxy shows the API."""
    return f"{root}/v1/jobs/{job_id}"


def file_url(job_id: UUID, name: str, root: str) -> str:
    """Where a file of the job is, for a client."""
    return f"{job_url(job_id, root)}/artifacts/{quote(name, safe='')}"


def links(job_id: UUID | str, root: str, *, ended: bool, has_rows: bool = False) -> dict[str, str]:
    """What can be looked at of the job, and what can be done with it as it is now: an action that would be refused
    because of the job's state has no link."""
    own = job_url(job_id, root)
    always = {"self": own, "events": f"{own}/events", "why": f"{own}/why"}
    if not ended:
        return {**always, "stream": f"{own}/stream", "cancel": f"{own}:cancel"}
    rows = {"rows": f"{own}/rows"} if has_rows else {}
    return {**always, **rows, "retry": f"{own}:retry", "keep": f"{own}:keep", "delete": own}

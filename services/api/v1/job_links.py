"""Links from a job."""

from urllib.parse import quote
from uuid import UUID


def job_url(job_id: UUID | str, root: str) -> str:
    """Return the address of a job; `root` is the path under which a proxy publishes the API."""
    return f"{root}/v1/jobs/{job_id}"


def file_url(job_id: UUID, name: str, root: str) -> str:
    """Return the address of a file of the job."""
    return f"{job_url(job_id, root)}/artifacts/{quote(name, safe='')}"


def links(job_id: UUID | str, root: str, *, ended: bool, has_rows: bool = False) -> dict[str, str]:
    """Return the links to what can be viewed of the job and done with it.

    An action that the job's current state would refuse has no link.
    """
    own = job_url(job_id, root)
    always = {"self": own, "events": f"{own}/events", "why": f"{own}/why"}
    if not ended:
        return {**always, "stream": f"{own}/stream", "cancel": f"{own}:cancel"}
    rows = {"rows": f"{own}/rows"} if has_rows else {}
    return {**always, **rows, "retry": f"{own}:retry", "keep": f"{own}:keep", "delete": own}

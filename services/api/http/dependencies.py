"""What the routes work with, built once by `create_app`."""

from dataclasses import dataclass
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Path, Request
from sqlalchemy.engine import Engine
from starlette.convertors import StringConvertor, register_url_convertor

from services.api.actions.submitter import Submitter
from services.api.auth.access import Access
from services.api.http.problems import unknown_job
from shared.artifacts.interface import ArtifactStore
from shared.catalog.model import CatalogView


class _JobIdConvertor(StringConvertor):
    """No colon: `/jobs/x:cancel` is a path of its own, and nothing about a job named `x:cancel`."""

    regex = "[^/:]+"


register_url_convertor("job", _JobIdConvertor())


@dataclass(frozen=True, slots=True)
class Parts:
    """The API's collaborators."""

    engine: Engine
    """In autocommit mode."""
    catalog: CatalogView
    store: ArtifactStore
    submitter: Submitter
    access: Access
    job_deadline_s: float
    job_max_crashes: int
    keep_artifacts_s: int
    keep_s: int
    link_expires_s: int
    root_path: str
    """In front of every path that clients are told."""


def parts_of(request: Request) -> Parts:
    """The application's."""
    return cast("Parts", request.app.state.parts)


# Coroutines, though most have nothing to wait for: FastAPI would send a plain function through its thread pool.
async def _parts(request: Request) -> Parts:
    return parts_of(request)


async def _tenant(request: Request) -> str:
    return await parts_of(request).access.tenant(request)


async def _job_id(
    job_id: Annotated[str, Path(description="The job's UUID", json_schema_extra={"format": "uuid"})],
) -> UUID:
    """What is no UUID names no job."""
    try:
        return UUID(job_id)
    except ValueError:
        raise unknown_job(job_id) from None


PartsOf = Annotated[Parts, Depends(_parts)]
Tenant = Annotated[str, Depends(_tenant)]
JobId = Annotated[UUID, Depends(_job_id)]

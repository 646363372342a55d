"""What FastAPI injects into the routes."""

from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Path, Request
from starlette.convertors import StringConvertor, register_url_convertor

from services.api.actions.errors import UnknownJob
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal


class _JobIdConvertor(StringConvertor):
    """Matches no colon: `/jobs/x:cancel` is a path of its own, and nothing about a job named `x:cancel`."""

    regex = "[^/:]+"


register_url_convertor("job", _JobIdConvertor())


def parts_of(request: Request) -> Parts:
    """The parts that the application was created with."""
    return cast("Parts", request.app.state.parts)


# Coroutines, though most have nothing to wait for: FastAPI would send a plain function through its thread pool.
async def _parts(request: Request) -> Parts:
    return parts_of(request)


async def _caller(request: Request) -> Principal:
    return await parts_of(request).access.principal(request.headers.get("authorization"))


async def _job_id(
    job_id: Annotated[str, Path(description="The job's UUID", json_schema_extra={"format": "uuid"})],
) -> UUID:
    """The id. Anything that is not a UUID is answered 404, like an unknown job."""
    try:
        return UUID(job_id)
    except ValueError:
        raise UnknownJob(job_id) from None


PartsOf = Annotated[Parts, Depends(_parts)]
Caller = Annotated[Principal, Depends(_caller)]
JobId = Annotated[UUID, Depends(_job_id)]

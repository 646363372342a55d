"""/healthz, /readyz and /metrics."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from services.api.http.dependencies import PartsOf
from shared.database.health import check_database
from shared.runtime.metrics.exposition import CONTENT_TYPE, exposition
from shared.runtime.ops_server import problems

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> JSONResponse:
    """Say that the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def readyz(parts: PartsOf) -> JSONResponse:
    """Say whether the database answers. The queue does not matter here: submissions are accepted without it."""
    failing = await run_in_threadpool(problems, {"database": lambda: check_database(parts.engine)})
    return JSONResponse({"status": "unready" if failing else "ok", "problems": failing}, 503 if failing else 200)


@router.get("/metrics")
def metrics() -> Response:
    """Return everything that this process and its siblings have counted."""
    return Response(exposition(), media_type=CONTENT_TYPE)

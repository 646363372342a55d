"""The application: routes, problems and middleware over the API's parts."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from services.api.actions.parts import Parts
from services.api.console import routes as console
from services.api.http import openapi, problems
from services.api.http.middleware import STOPPING, RequestContext
from services.api.networks import networks
from services.api.reference import pages
from services.api.v1 import (
    artifacts,
    audit,
    batches,
    estimates,
    job_list,
    jobs,
    keys,
    lifecycle,
    ops,
    report_types,
    streams,
    submissions,
    tenant_streams,
    why,
)
from shared.runtime import tracing
from shared.runtime.gc_tuning import search_seldom
from shared.version import VERSION

_DESCRIPTION = """Ask for a report, get 202 and a job id at once, download the files when the job is done.
A 202 is a fact: the job is committed, and it will reach SUCCESS, FAILED or CANCELLED whatever dies."""


def create_app(parts: Parts) -> FastAPI:
    """The API over these parts, which are closed at the end of its lifespan."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        search_seldom()
        yield {STOPPING: parts.release}
        await parts.close()
        tracing.close()

    app = FastAPI(
        title="Todoke",
        version=VERSION,
        description=_DESCRIPTION,
        # FastAPI's own documentation pages load scripts from a CDN: ours are services/api/reference.
        docs_url=None,
        redoc_url=None,
        # A redirect would be built from the Host header, which anybody may choose.
        redirect_slashes=False,
        lifespan=lifespan,
        generate_unique_id_function=openapi.operation_id,
    )
    app.state.parts = parts
    app.state.trusted_proxies = networks(parts.settings.trusted_proxies)
    problems.install(app)
    app.include_router(submissions.router)
    for prefix in ("/v1", ""):
        app.include_router(job_list.router, prefix=prefix)
        app.include_router(jobs.router, prefix=prefix)
        app.include_router(artifacts.router, prefix=prefix)
        app.include_router(submissions.retrying, prefix=prefix)
    app.include_router(why.router, prefix="/v1")
    app.include_router(estimates.router, prefix="/v1")
    app.include_router(streams.router, prefix="/v1")
    app.include_router(tenant_streams.router, prefix="/v1")
    app.include_router(lifecycle.router, prefix="/v1")
    app.include_router(batches.router, prefix="/v1")
    app.include_router(report_types.router)
    app.include_router(keys.router)
    app.include_router(audit.router)
    app.include_router(ops.router)
    app.include_router(pages.router)
    if parts.settings.console == "on":
        console.install(app)
    app.add_middleware(RequestContext, root_path=parts.settings.root_path)
    openapi.describe(app, asks_who=parts.settings.auth != "none")
    return app

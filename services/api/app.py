"""The application: routes, problems and middleware over the API's parts."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from services.api.actions.parts import Parts
from services.api.console import routes as console
from services.api.http import cors, error_problems, openapi
from services.api.http.middleware import STOPPING, RequestContext
from services.api.http.other_sites import OtherSites
from services.api.networks import is_loopback, networks, origins
from services.api.reference import pages
from services.api.v1 import (
    artifacts,
    audit,
    batches,
    bulk,
    estimates,
    gates,
    job_list,
    jobs,
    keys,
    lifecycle,
    operating,
    ops,
    report_types,
    rows,
    schedules,
    shared_files,
    shares,
    streams,
    submissions,
    tenant_streams,
    webhooks,
    why,
)
from shared.runtime import tracing
from shared.runtime.gc_tuning import search_seldom
from shared.version import VERSION

_DESCRIPTION = """Ask for a report, get 202 and a job id at once, download the files when the job is done.
A 202 is a fact: the job is committed, and it will reach SUCCESS, FAILED or CANCELLED whatever dies."""


def create_app(parts: Parts) -> FastAPI:
    """Return the application over these parts, which are closed at the end of its lifespan."""

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
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        # FastAPI's own documentation pages load scripts from a CDN. Ours are in services/api/reference.
        docs_url=None,
        redoc_url=None,
        # A redirect would be built from the Host header, which any client may choose.
        redirect_slashes=False,
        lifespan=lifespan,
        generate_unique_id_function=openapi.operation_id,
    )
    app.state.parts = parts
    app.state.trusted_proxies = networks(parts.settings.trusted_proxies)
    error_problems.install(app)
    _install_routes(app, parts)
    settings = parts.settings
    allowed = origins(settings.cors_origins)
    if settings.auth == "none":
        app.add_middleware(
            OtherSites,
            own_names=is_loopback(settings.host) or settings.auth_none_is_ok == "published_on_loopback",
            trusted=app.state.trusted_proxies,
            origins=allowed,
        )
    app.add_middleware(RequestContext, root_path=parts.settings.root_path)
    if allowed:
        app.add_middleware(cors.Cors, origins=allowed, root_path=parts.settings.root_path)
    openapi.describe(app, asks_who=parts.settings.auth != "none", issuers=parts.access.issuers)
    return app


_UNDER_V1 = (rows, why, estimates, streams, tenant_streams, lifecycle, batches)
_WITH_WHOLE_PATHS = (
    bulk, report_types, schedules, shares, shared_files, webhooks, keys, audit, operating, gates, ops, pages
)  # fmt: skip


def _install_routes(app: FastAPI, parts: Parts) -> None:
    app.include_router(submissions.router)
    for prefix in ("/v1", ""):
        for router in (job_list.router, jobs.router, artifacts.router, submissions.retrying):
            app.include_router(router, prefix=prefix)
    for module in _UNDER_V1:
        app.include_router(module.router, prefix="/v1")
    for module in _WITH_WHOLE_PATHS:
        app.include_router(module.router)
    if parts.settings.console == "on":
        console.install(app)

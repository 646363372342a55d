"""The application, put together from its parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.actions.submitter import Submitter
from services.api.auth.access import Access
from services.api.auth.rate_limit import RateLimit
from services.api.http import problems
from services.api.http.dependencies import Parts
from services.api.http.middleware import RequestContext
from services.api.settings import ApiSettings
from services.api.v1 import artifacts, jobs, ops, report_types, submissions
from shared.artifacts.interface import ArtifactStore
from shared.catalog.model import CatalogView
from shared.database.replication import watch_replication
from shared.runtime import tracing
from shared.runtime.gc_tuning import search_seldom

_DESCRIPTION = """Ask for a report, get 202 and a job id at once, download the files when the job is done.
A 202 is a fact: the job is committed, and it will reach SUCCESS, FAILED or CANCELLED whatever dies."""


def create_app(
    settings: ApiSettings, *, engine: Engine, submitting: AsyncEngine, catalog: CatalogView, store: ArtifactStore
) -> FastAPI:
    """The API over these parts. `submitting` is for its submissions, and disposed of at the end of its lifespan."""
    watch_replication(submitting.sync_engine)
    submitter = Submitter(submitting, ring_after_s=settings.ring_after_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        search_seldom()
        yield
        await submitter.close()
        tracing.close()

    # FastAPI's own documentation pages load scripts from a CDN; the description itself is at /openapi.json.
    app = FastAPI(
        title="Todoke", version="0.1.0", description=_DESCRIPTION, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.parts = Parts(
        engine=engine,
        catalog=catalog,
        store=store,
        submitter=submitter,
        access=Access(settings.auth, engine, _rate_limit(settings)),
        job_deadline_s=settings.job_deadline_s,
        job_max_crashes=settings.job_max_crashes,
        keep_artifacts_s=settings.keep_artifacts_s,
        keep_s=settings.keep_s,
        link_expires_s=settings.link_expires_s,
        root_path=settings.root_path,
    )
    problems.install(app)
    app.include_router(submissions.router)
    for prefix in ("/v1", ""):
        app.include_router(jobs.router, prefix=prefix)
        app.include_router(artifacts.router, prefix=prefix)
    app.include_router(report_types.router)
    app.include_router(ops.router)
    app.add_middleware(RequestContext, root_path=settings.root_path)
    if settings.auth == "keys":
        _describe_keys(app)
    return app


def _rate_limit(settings: ApiSettings) -> RateLimit | None:
    return None if settings.rate_limit is None else RateLimit(settings.rate_limit, settings.rate_burst)


def _describe_keys(app: FastAPI) -> None:
    """Say in the description that every operation asks for a key."""
    plain = app.openapi

    def with_keys() -> dict[str, Any]:
        description = plain()
        description["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        description["security"] = [{"key": []}]
        return description

    app.openapi = with_keys  # type: ignore[method-assign] # FastAPI's documented way to extend the description

"""Pages for operators, and for those who grant access to others."""

from fastapi import FastAPI

from services.api.console import audit, gates, keys, login, overview, put_aside, queues

_PAGES = (overview, queues, put_aside, gates, keys, audit)


def install(app: FastAPI) -> None:
    """Add them below `/console`."""
    for each in (*_PAGES, login):
        app.include_router(each.router, prefix="/console")

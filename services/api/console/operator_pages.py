"""The pages of those who run the service, or who give others access to it."""

from fastapi import FastAPI

from services.api.console import audit, gates, keys, login, overview, put_aside, queues

_PAGES = (overview, queues, put_aside, gates, keys, audit)


def install(app: FastAPI) -> None:
    """Serve them below `/console`."""
    for each in (*_PAGES, login):
        app.include_router(each.router, prefix="/console")

"""`python -m tests.benchmarks.api_case PORT [--uncoalesced] [--sampled FILE]`: the API, and a constant's route.

With `--uncoalesced` each submission has a statement and a commit of its own, in FastAPI's thread pool; with `--sampled`
it is written to FILE at the end where the processor time went.
"""

import contextlib
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from sqlalchemy.engine import Engine

from services.api.__main__ import uvicorn_options
from services.api.actions.submitter import Answer
from services.api.app import create_app
from services.api.assembly import assemble
from services.api.settings import ApiSettings
from shared.jobs.submission import Submission
from shared.jobs.submit import submit
from tests.benchmarks.sampler import Sampler


class Uncoalesced:
    """In the place of the Submitter."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def submit(self, submission: Submission) -> Answer:
        """The answer, once it is committed."""
        return await run_in_threadpool(self._submit, submission)

    async def close(self) -> None:
        """Nothing waits here."""

    def _submit(self, submission: Submission) -> Answer:
        with self._engine.connect() as conn:
            return submit(conn, [submission])[0]


def main() -> None:
    """Serve until killed."""
    settings = ApiSettings.from_environment(os.environ)
    parts = assemble(settings, follow_catalog=True)
    if "--uncoalesced" in sys.argv:
        parts = replace(parts, submitter=Uncoalesced(parts.engine))  # type: ignore[arg-type] # all that a request asks of it
    app = create_app(parts)

    @app.post("/constant", status_code=202)
    async def constant() -> Response:
        """As long an answer as a submission's, and no work."""
        return Response(b'{"jobId": "01a20af6-4b02-7e60-8370-4b6929daa337"}' + b" " * 250, 202)

    @app.get("/bare/{name}")
    async def bare(name: str) -> FileResponse:
        """A file, and nothing looked at."""
        return FileResponse(Path(os.environ["BENCH_FILES"]) / name, media_type="text/csv")

    options: dict[str, Any] = {"host": "127.0.0.1", "port": int(sys.argv[1])}
    sampled = Path(sys.argv[sys.argv.index("--sampled") + 1]) if "--sampled" in sys.argv else None
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn sends itself the signal again once it has shut down
    with Sampler() if sampled else contextlib.nullcontext() as sampler:
        uvicorn.run(app, **{**uvicorn_options(settings), **options})
    if sampled and sampler:
        sampled.write_text(json.dumps(sampler.ms))


if __name__ == "__main__":
    main()

"""`python -m tests.benchmarks.api_case PORT`: the API as it is, with one more route that answers a constant."""

import os
import sys

import uvicorn
from fastapi import Response

from services.api.build import build
from services.api.settings import ApiSettings

if __name__ == "__main__":
    app = build(ApiSettings.from_environment(os.environ)).app()

    @app.post("/constant", status_code=202)
    async def constant() -> Response:
        """As long an answer as a submission's, and no work."""
        return Response(b'{"jobId": "01a20af6-4b02-7e60-8370-4b6929daa337"}' + b" " * 250, 202)

    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False, server_header=False)

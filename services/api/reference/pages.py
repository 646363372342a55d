"""GET /docs, /problems and /problems/{code}: without scripts, and with no style except the one that
their policy names.
"""

import base64
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.api.http.examples import problem_examples
from services.api.reference.known_problems import ANSWERS, FAILURES
from services.api.reference.model import groups

router = APIRouter(include_in_schema=False)

_TEMPLATES = Path(__file__).with_name("templates")
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_STYLE = _ENVIRONMENT.get_template("style.css").render()
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    # Nothing is loaded, run or sent anywhere.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "public, max-age=300",
}


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Show the API, operation by operation."""
    return Response(_reference(request.app), headers=_HEADERS, media_type="text/html; charset=utf-8")


@functools.lru_cache(maxsize=4)
def _reference(app: Any) -> str:
    description = app.openapi()
    info = description["info"]
    return _page(
        "reference",
        app.state.parts.settings.root_path,
        title=info["title"],
        version=info["version"],
        about=info["description"],
        groups=groups(description),
    )


@router.get("/problems")
async def problems(request: Request) -> Response:
    """Show every problem."""
    told = [
        ("Answers of the API", ANSWERS.values()),
        ("Reasons in a job's error", FAILURES.values()),
    ]
    return _answer(request, "problems", groups=told)


@router.get("/problems/{code}")
async def problem(request: Request, code: str) -> Response:
    """Show what a code means, and what to do about it: the `type` of a problem leads here."""
    found = ANSWERS.get(code) or FAILURES.get(code)
    if found is None:
        raise HTTPException(404)
    shown = problem_examples().get(code)
    return _answer(request, "problem", problem=found, example=json.dumps(shown["value"], indent=2) if shown else "")


def _answer(request: Request, template: str, **values: Any) -> Response:
    page = _page(template, request.app.state.parts.settings.root_path, **values)
    return Response(page, headers=_HEADERS, media_type="text/html; charset=utf-8")


def _page(template: str, root: str, **values: Any) -> str:
    return _ENVIRONMENT.get_template(f"{template}.html.j2").render(root=root, **values)

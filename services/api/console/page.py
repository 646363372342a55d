"""Renders pages: the visitor's language, the content security policy, and problems as pages."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.api.console import show, translated
from services.api.console.navigation import places_for
from services.api.console.visit import THEMES, Visit
from services.api.http.problems import Problem

_FOLDER = Path(__file__).parent
STATIC = _FOLDER / "static"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
    # Pages link to each other, and to no other site that should learn of them.
    "Referrer-Policy": "same-origin",
}


def page(
    visit: Visit,
    template: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Render the template as a page, or a part of one, for this visitor."""
    root, url = visit.parts.settings.root_path, visit.request.url
    known = {
        "t": visit.texts,
        "language": visit.language,
        "theme": visit.theme,
        "themes": THEMES,
        "single_keys": visit.keys,
        "title_of": lambda report: translated.title(report, visit.language),
        "about": lambda report: translated.description(report, visit.language),
        "show": show.Shown(visit.texts.locale),
        "root": root,
        "console": visit.console,
        "signed_in": visit.signed_in,
        "places": places_for(visit.principal),
        "subject": visit.principal.subject if visit.token else None,
        "proof": visit.proof,
        "asset": lambda name: f"{visit.console}/static/{name}?v={_digest(name)}",
        "here": url.path + (f"?{url.query}" if url.query else ""),
    }
    content = _environment().get_template(template).render({**known, **context})
    return HTMLResponse(content, status, {**_HEADERS, **(headers or {})})


def problem_page(visit: Visit, problem: Problem) -> Response:
    """Render the problem as a page: what happened, its request id, and where to go from here."""
    title = HTTPStatus(problem.status).phrase
    violations = translated.violations(problem.violations or (), visit.texts)
    context = {
        "problem": problem,
        "violations": violations,
        "title": title,
        "request_id": visit.request.scope.get("request_id"),
    }
    return page(visit, "problem.html", context, status=problem.status, headers=problem.headers)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # a list of a hundred rows includes two hundred parts, and each would check its file
    )
    environment.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return environment


@cache
def _digest(name: str) -> str:
    """Return the beginning of the file's digest: each version has its own address, so caches may keep the old one."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]

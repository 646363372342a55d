"""The page for somebody without an account who opens a link in a browser and gets no file: what happened, and what to
do.
"""

import html
from collections.abc import Mapping
from typing import NamedTuple

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from services.api.http.accept import asks_for
from services.api.http.problems import Problem


class _Words(NamedTuple):
    title: str
    advice: str


_NEW_ONE = "Ask the sender for a new link."
_WORDS: Mapping[str, Mapping[str, _Words]] = {
    "en": {
        "share_over": _Words("This link no longer works", _NEW_ONE),
        "unknown_share": _Words("This link does not exist", f"Part of its address may be missing. {_NEW_ONE}"),
        "rate_limited": _Words("Too many requests", "Try again in a minute."),
        "": _Words("The file is not available right now", "Try again later, or ask the sender."),
    },
    "ja": {
        "share_over": _Words("このリンクは使えなくなりました", "送った人に新しいリンクを依頼してください。"),
        "unknown_share": _Words(
            "そのリンクはありません", "アドレスの一部が欠けている可能性があります。送った人に確認してください。"
        ),
        "rate_limited": _Words("リクエストが多すぎます", "1 分ほど待ってからもう一度お試しください。"),
        "": _Words("ファイルを取得できません", "後でもう一度試すか、リンクを送った人に確認してください。"),
    },
}
_HEADERS = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Vary": "Accept, Accept-Language"}


def page_of(request: Request, problem: Problem) -> Response | None:
    """Return the problem as a page; None for a client that did not ask for one, as programs do."""
    if not asks_for(request.headers.get("accept", ""), "text/html"):
        return None
    language = _language(request.headers.get("accept-language", ""))
    words = _WORDS[language].get(problem.code) or _WORDS[language][""]
    number = html.escape(str(request.scope.get("request_id") or ""))
    content = (
        f'<!doctype html>\n<html lang="{language}">\n<head><meta charset="utf-8"><meta name="color-scheme" '
        'content="light dark"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{words.title}</title></head>\n<body><main><h1>{words.title}</h1>\n<p>{words.advice}</p>\n"
        f"<p><small>{problem.status} · <code>{number}</code></small></p></main></body></html>\n"
    )
    return HTMLResponse(content, problem.status, {**problem.headers, **_HEADERS, "Content-Language": language})


def _language(accepted: str) -> str:
    """Return the first of the reader's languages that has texts, otherwise English."""
    wished = (part.partition(";")[0].strip().lower().partition("-")[0] for part in accepted[:500].split(","))
    return next((language for language in wished if language in _WORDS), "en")

"""Builds a request, retries it where that makes sense, and reads its answer."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from todoke._core.config import Config
from todoke._core.steps import Answer, Flow, Send, Sleep
from todoke.errors import ApiError, ConnectionFailed, TodokeError, UnexpectedAnswer, kind_of

_MOST_BYTES = 32 * 1024 * 1024
"""The limit for an answer in JSON. The largest that the API gives is a page of jobs, about a megabyte."""
AWAY_S = 300.0
"""How long an API may be unreachable during a wait or a stream without a limit: long enough for a release or a
fail-over.
"""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0
_AGAIN = {408, 425, 429}
_GONE, _CHANGED = {404, 410}, 412

Query = Mapping[str, str | int | Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the API, without the API's address."""

    method: str
    path: str
    query: Query | None = None
    body: object = None
    """Sent as JSON, unless it is None."""
    headers: Mapping[str, str] | None = None
    fine: frozenset[int] = frozenset({200})
    """The statuses that are not errors."""
    wait_s: float = 0.0
    """How long the server was asked to wait before it answers."""
    once: bool = False
    """True if a second try might act twice. It is then retried only if the server says that it did nothing."""


def to_send(config: Config, request: Request) -> Send:
    """Add what every request carries: the address, the key, the limits."""
    headers = {"Accept": "application/json", "User-Agent": config.user_agent, **(request.headers or {})}
    content = None
    if request.body is not None:
        headers["Content-Type"] = "application/json"
        content = _json(request.body)
    if config.api_key:
        headers["Authorization"] = f"Bearer {config.api_key}"
    return Send(
        method=request.method,
        url=config.url + request.path + _query(request.query or {}),
        headers=headers,
        content=content,
        connect_s=config.connect_s,
        read_s=config.timeout_s + request.wait_s,
        total_s=config.timeout_s + request.wait_s,
        most_bytes=_MOST_BYTES,
        long=request.wait_s > 0,
    )


def send(config: Config, request: Request) -> Flow[Answer]:
    """Return the answer, whose status is one of `fine`. Raises ApiError, ConnectionFailed, UnexpectedAnswer.

    A request is retried where that may help; each that changes something carries what makes repetition safe. If an
    answer was lost, the retry may find the thing already deleted, by the first try, or already changed, perhaps by it.
    """
    step, tries, lost = to_send(config, request), 0, None
    while True:
        try:
            answer: Answer = yield step
            if answer.status in request.fine or (lost and request.method == "DELETE" and answer.status in _GONE):
                return answer
            failure: TodokeError = problem_of(answer, config.url)
        except ConnectionFailed as error:
            failure = error
        status = failure.status if isinstance(failure, ApiError) else None
        if lost is not None and status == _CHANGED:
            raise lost
        if status is None or status >= 500:
            lost = failure
        if request.once and status != 429:
            raise failure
        pause = pause_after(failure, tries, config)
        if pause is None or tries >= config.max_retries:
            raise failure
        tries += 1
        yield Sleep(pause)


def may_pass(failure: TodokeError) -> bool:
    """True if the same request may succeed later."""
    if isinstance(failure, ApiError):
        denied = failure.problem.get("retryable") is False and failure.status != 429
        return (failure.status in _AGAIN or failure.status >= 500) and not denied
    return isinstance(failure, ConnectionFailed)


def pause_after(failure: TodokeError, tries: int, config: Config) -> float | None:
    """Return the seconds until the next try: full jitter, but no sooner than the server asked. None if a retry makes no
    sense.
    """
    if not may_pass(failure):
        return None
    pause = config.chance() * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(tries, 10))
    asked = failure.retry_after if isinstance(failure, ApiError) else None
    if asked is None:
        return pause
    return None if asked > config.max_wait_s else asked + config.chance() * min(asked, 1.0)


def content_of(answer: Answer) -> Any:
    """Return the answer's JSON. Raises UnexpectedAnswer."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        start = answer.body[:60].decode(errors="replace")
        raise UnexpectedAnswer(
            f"the response is not JSON (it begins with {start!r}); check that the address is a Todoke API"
        ) from None


def problem_of(answer: Answer, url: str) -> ApiError | UnexpectedAnswer:
    """Return the error for an answer that is not fine."""
    if answer.status < 400:
        where = answer.headers.get("location", "")
        led = f" and leads to {where[:200]!r}" if where else ""
        return UnexpectedAnswer(f"{url} answered {answer.status}{led}: is this the address of the API?")
    try:
        problem = json.loads(answer.body)
    except (ValueError, RecursionError):
        problem = None
    return kind_of(answer.status)(
        answer.status,
        problem if isinstance(problem, dict) else {},
        request_id=answer.headers.get("x-request-id"),
        retry_after=retry_after(answer),
        hint=_hint(answer),
    )


def retry_after(answer: Answer) -> float | None:
    """Return the seconds of Retry-After, given as seconds or as a date."""
    value = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        left = parsedate_to_datetime(value) - datetime.now(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, left.total_seconds())


def _hint(answer: Answer) -> str:
    if answer.status == 401:
        return "Set TODOKE_API_KEY, or pass api_key."
    scope = re.search(r'scope="([^"]*)"', answer.headers.get("www-authenticate", ""))
    if answer.status == 403 and scope:
        return f"The key needs the scope {scope[1]}."
    return ""


def job_path(job_id: object, rest: str = "") -> str:
    """Return the path of a job below the API's address. Raises ValueError if `job_id` is not an id."""
    return f"/v1/jobs/{id_segment(job_id, 'job')}{rest}"


def id_segment(given: object, what: str) -> str:
    """Return an id as a segment of a path, from a text, a UUID, or an object that has an `id`.

    Raises ValueError if it is not a UUID.
    """
    text = str(getattr(given, "id", given))
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not the id of a {what}; ids look like {_SAMPLE}") from None


_SAMPLE = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"


def segment(name: str, what: str) -> str:
    """Return a name as a segment of a path. Raises ValueError if it cannot be one."""
    if name in {"", ".", ".."}:
        raise ValueError(f"{name!r} is not the name of a {what}")
    return quote(name, safe="")


def _json(body: object) -> bytes:
    return json.dumps(body, default=_as_json, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")


def _as_json(value: object) -> object:
    """Dates, times, UUIDs and decimals become texts on the wire."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"{value!r} cannot be sent as JSON")


def _query(query: Query) -> str:
    pairs = [(name, value) for name, value in query.items() if value is not None and value != ()]
    return f"?{urlencode(pairs, doseq=True)}" if pairs else ""

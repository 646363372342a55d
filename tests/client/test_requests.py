"""What is retried and what is not, what is sent where, and how unexpected answers are handled."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, ClassVar

import httpx2
import pytest

import todoke
from tests.client.conftest import Make
from tests.client.samples import JOB_ID, job
from tests.support.http_server import LoopbackServer, QuietHandler
from todoke import errors

ACCEPTED = {"jobId": JOB_ID, "status": "PENDING", "reportType": "calendar", "links": {}}


class Script:
    """Answers one after another, and keeps the requests and the pauses between them."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


def problem(
    status: int, code: str = "some_code", headers: dict[str, str] | None = None, **more: Any
) -> httpx2.Response:
    body = {"type": f"/problems/{code}", "status": status, "code": code, "detail": "So it is.", **more}
    return httpx2.Response(status, json=body, headers=headers)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the client would have slept."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("todoke.client.time.sleep", slept.append)
    monkeypatch.setattr("todoke.async_client.anyio.sleep", sleep)
    monkeypatch.setattr("todoke._core.config.random", lambda: 0.5)
    return slept


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.ConnectError("refused"), httpx2.ReadError("reset"), httpx2.ReadTimeout("slow"),
        httpx2.RemoteProtocolError("closed"), problem(408), problem(425), problem(429), problem(500), problem(502),
        httpx2.Response(504, text="<html>gateway"), problem(503, retryable=True),
    ],
    ids=repr,
)  # fmt: skip
def test_what_may_pass_is_tried_again_with_the_same_key(
    failure: httpx2.Response | Exception, make: Make, pauses: list[float]
) -> None:
    script = Script(failure, failure, httpx2.Response(202, json=ACCEPTED))
    made = make(handler=script).jobs.create("calendar")

    assert made.id == JOB_ID
    keys = [request.headers["idempotency-key"] for request in script.asked]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert pauses == [0.25, 0.5], "half of 0.5 s and of 1 s: the jitter is full"


@pytest.mark.parametrize("lost", [httpx2.ReadError("reset"), problem(502)], ids=repr)
@pytest.mark.parametrize("then", [problem(404), problem(410)], ids=repr)
def test_what_is_gone_at_the_second_try_was_deleted_by_the_first(
    lost: httpx2.Response | Exception, then: httpx2.Response, make: Make, pauses: list[float]
) -> None:
    make(handler=Script(lost, then)).jobs.delete(JOB_ID)
    make(handler=Script(lost, then)).webhooks.delete(JOB_ID)
    with pytest.raises((errors.NotFound, errors.Gone)):
        make(handler=Script(problem(429), then)).jobs.delete(JOB_ID)
    with pytest.raises((errors.NotFound, errors.Gone)):
        make(handler=Script(lost, then)).jobs.cancel(JOB_ID)


@pytest.mark.parametrize(
    ("lost", "told"),
    [(httpx2.ReadError("reset"), errors.ConnectionFailed), (problem(502), errors.ServerError)],
    ids=repr,
)
def test_nobody_is_told_that_nothing_has_happened_where_the_first_try_may_have_changed_it(
    lost: httpx2.Response | Exception, told: type[errors.TodokeError], make: Make, pauses: list[float]
) -> None:
    script = Script(lost, problem(412, "changed"))
    with pytest.raises(told):
        make(handler=script).jobs.cancel(JOB_ID, if_match='"3"')
    assert len(script.asked) == 2
    with pytest.raises(errors.Changed):
        make(handler=Script(problem(429), problem(412, "changed"))).jobs.cancel(JOB_ID, if_match='"3"')


@pytest.mark.parametrize("failure", [problem(500, retryable=False), problem(422), problem(404), problem(409)], ids=repr)
def test_what_will_not_pass_is_not_tried_again(failure: httpx2.Response, make: Make, pauses: list[float]) -> None:
    script = Script(failure)
    with pytest.raises(errors.ApiError):
        make(handler=script).jobs.get(JOB_ID)

    assert len(script.asked) == 1
    assert pauses == []


def test_tries_end(make: Make, pauses: list[float]) -> None:
    script = Script(httpx2.ConnectError("refused"))
    with pytest.raises(errors.ConnectionFailed, match=r"http://api\.test cannot be reached: refused"):
        make(handler=script, max_retries=5).jobs.get(JOB_ID)

    assert len(script.asked) == 6
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0], "never more than 8 s"


@pytest.mark.parametrize(("after", "most"), [("7", 7.6), (None, 8.5)])
def test_a_pause_is_no_shorter_than_the_server_asks(
    after: str | None, most: float, make: Make, pauses: list[float]
) -> None:
    value = after or format_datetime(datetime.now(UTC) + timedelta(seconds=7.9), usegmt=True)
    script = Script(problem(429, "rate_limited", {"Retry-After": value}), httpx2.Response(200, json=job()))
    make(handler=script).jobs.get(JOB_ID)

    assert 5 <= pauses[0] <= most


@pytest.mark.parametrize("after", ["3600", "nonsense", "-1", "9" * 400])
def test_a_server_that_asks_for_too_long_is_not_waited_for(after: str, make: Make, pauses: list[float]) -> None:
    script = Script(problem(429, "rate_limited", {"Retry-After": after}))
    with pytest.raises(errors.RateLimited) as caught:
        make(handler=script, max_wait=60).jobs.get(JOB_ID)

    known = after == "3600"
    assert caught.value.retry_after == (3600 if known else None)
    assert len(script.asked) == (1 if known else 4)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest), (401, errors.Unauthorized), (403, errors.Forbidden), (404, errors.NotFound),
        (409, errors.Conflict), (410, errors.Gone), (413, errors.BadRequest), (418, errors.ApiError),
        (422, errors.Invalid), (429, errors.RateLimited), (500, errors.ServerError), (503, errors.Unavailable),
    ],
)  # fmt: skip
def test_each_problem_has_a_class_and_tells_what_the_server_told(
    status: int, kind: type[errors.ApiError], make: Make, pauses: list[float]
) -> None:
    violations = [{"field": "parameters.from", "code": "date", "message": "is no date"}, "nonsense"]
    script = Script(problem(status, "a_code", violations=violations, requestId="r1"))
    with pytest.raises(errors.ApiError) as caught:
        make(handler=script, max_retries=0).jobs.create("calendar")

    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.request_id) == (status, "a_code", "r1")
    assert error.violations == (errors.Violation("parameters.from", "date", "is no date"),)
    assert str(error).splitlines()[:2] == [f"{status} a_code: So it is.", "  parameters.from: is no date"]


def test_an_error_that_is_no_problem_document_is_told_by_its_status(make: Make) -> None:
    script = Script(httpx2.Response(404, text="<html>", headers={"X-Request-Id": "r2"}))
    with pytest.raises(errors.NotFound, match="404 http_404") as caught:
        make(handler=script).jobs.get(JOB_ID)
    assert caught.value.request_id == "r2"


def test_who_is_refused_learns_what_to_do(make: Make) -> None:
    with pytest.raises(errors.Unauthorized, match="Set TODOKE_API_KEY"):
        make(handler=Script(problem(401))).jobs.get(JOB_ID)
    challenge = {"WWW-Authenticate": 'Bearer realm="todoke", error="insufficient_scope", scope="jobs:cancel"'}
    with pytest.raises(errors.Forbidden, match="needs the scope jobs:cancel"):
        make(handler=Script(problem(403, headers=challenge))).jobs.cancel(JOB_ID)


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, text="<html>hello"), httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"status": 1}),
        httpx2.Response(200, json=job(createdAt="yesterday")), httpx2.Response(200, json=job(result="done")),
        httpx2.Response(200, text="[" * 100_000), httpx2.Response(204),
        httpx2.Response(302, headers={"Location": "https://login.example/"}),
    ],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_answer_of_this_api_is_said_to_be_none(answer: httpx2.Response, make: Make) -> None:
    with pytest.raises(errors.UnexpectedAnswer):
        make(handler=Script(answer)).jobs.get(JOB_ID)


def test_an_answer_that_cannot_be_decoded_is_none(make: Make) -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=httpx2.ByteStream(b"not gzip"), headers={"Content-Encoding": "gzip"})

    with pytest.raises(errors.UnexpectedAnswer, match="cannot be decoded"):
        make(handler=handler).jobs.get(JOB_ID)


def test_no_redirect_is_followed_to_an_api(make: Make) -> None:
    script = Script(httpx2.Response(301, headers={"Location": "https://api.test/v1/jobs"}))
    with pytest.raises(errors.UnexpectedAnswer, match=r"answered 301 and leads to 'https://api\.test/v1/jobs'"):
        make(handler=script).jobs.create("calendar")
    assert len(script.asked) == 1


def test_dates_decimals_and_texts_of_any_kind_are_sent(make: Make) -> None:
    script = Script(httpx2.Response(202, json=ACCEPTED))
    given = {"from": date(2026, 1, 31), "least": Decimal("1.10"), "name": "届け"}
    made = make(handler=script).jobs.create("calendar", given, formats=("csv",))

    assert json.loads(script.asked[0].content) == {
        "reportType": "calendar", "formats": ["csv"],
        "parameters": {"from": "2026-01-31", "least": "1.10", "name": "届け"},
    }  # fmt: skip
    assert made.replayed is False


@pytest.mark.parametrize("parameters", [{"a": object()}, {"a": float("nan")}])
def test_what_cannot_be_sent_is_refused_here(parameters: dict[str, Any], make: Make) -> None:
    script = Script(httpx2.Response(202, json=ACCEPTED))
    with pytest.raises((TypeError, ValueError)):
        make(handler=script).jobs.create("calendar", parameters)
    assert script.asked == []


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.jobs.get(""), lambda t: t.jobs.get("../admin"), lambda t: t.jobs.cancel("7"),
        lambda t: t.types.get(".."), lambda t: t.types.get(""), lambda t: t.jobs.wait(JOB_ID, timeout=-1),
        lambda t: t.jobs.create("calendar", idempotency_key="a b"),
        lambda t: t.jobs.create(idempotency_key="a\r\nX: b"),
        lambda t: t.jobs.create("calendar", formats="csv"),
    ],
    ids=range(9),
)  # fmt: skip
def test_arguments_that_make_no_sense_reach_nobody(call: Callable[[Any], Any], make: Make) -> None:
    script = Script(httpx2.Response(200, json=job()))
    with pytest.raises((ValueError, TypeError)):
        call(make(handler=script))
    assert script.asked == []


def test_a_name_stays_one_part_of_the_path(make: Make) -> None:
    script = Script(httpx2.Response(404))
    with pytest.raises(errors.NotFound):
        make(handler=script).types.get("a/b?c=d#e")
    assert script.asked[0].url.raw_path == b"/v1/report-types/a%2Fb%3Fc%3Dd%23e"


@pytest.mark.parametrize("url", ["https://api.test/reports", "https://api.test/reports/"])
def test_an_api_below_a_path_is_found_there_with_the_key(url: str, make: Make) -> None:
    script = Script(httpx2.Response(200, json=job()))
    made = make(url, handler=script, api_key="secret-key\n", user_agent_suffix="nightly/1")
    made.jobs.get(JOB_ID)

    [request] = script.asked
    assert str(request.url) == f"https://api.test/reports/v1/jobs/{JOB_ID}"
    assert request.headers["authorization"] == "Bearer secret-key"
    assert request.headers["user-agent"].startswith("todoke-python/")
    assert request.headers["user-agent"].endswith(" nightly/1")


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "api.test"}, {"url": "ftp://api.test"}, {"url": "http://"}, {"url": "http://u:p@api.test"},
        {"url": "http://api.test?x=1"}, {"api_key": "a\r\nX-Evil: 1"}, {"api_key": "two words"}, {"timeout": 0},
        {"max_retries": -1}, {"user_agent_suffix": "a\nb"},
    ],
    ids=str,
)  # fmt: skip
def test_a_client_that_could_reach_nothing_is_not_made(arguments: dict[str, Any]) -> None:
    for kind in (todoke.Todoke, todoke.AsyncTodoke):
        with pytest.raises(ValueError, match=r"."):
            kind(**arguments)


def test_address_and_key_come_from_the_environment_and_the_key_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TODOKE_URL", "https://env.test/")
    monkeypatch.setenv("TODOKE_API_KEY", "canary-key")
    client = todoke.Todoke()

    assert client.url == "https://env.test"
    assert client._config.api_key == "canary-key"
    assert todoke.Todoke("https://other.test").url == "https://other.test"
    assert "canary-key" not in repr(client) + repr(client._config) + repr(vars(client))


@pytest.mark.parametrize("given", ["https://a.test/reports", "https://a.test/reports/v1", "https://a.test/reports/v1/"])
def test_the_address_may_have_the_version_of_the_api_or_not(given: str) -> None:
    assert todoke.Todoke(given).url == "https://a.test/reports"


def test_pages_are_fetched_as_they_are_used_and_a_circle_ends(make: Make) -> None:
    pages = [{"jobs": [job()], "nextPageToken": "a"}, {"jobs": [], "nextPageToken": "b"}, {"jobs": [job("FAILED")]}]
    script = Script(*(httpx2.Response(200, json=page) for page in pages))
    found = make(handler=script).jobs.iter(status="FAILED")
    assert next(found).status == "PENDING"
    assert len(script.asked) == 1
    assert [one.status for one in found] == ["FAILED"]
    assert [request.url.params.get("pageToken") for request in script.asked] == [None, "a", "b"]
    assert {request.url.params["status"] for request in script.asked} == {"FAILED"}

    circle = Script(httpx2.Response(200, json=pages[0]))
    with pytest.raises(errors.UnexpectedAnswer, match="the same page token"):
        list(make(handler=circle).jobs.iter())


class Endless(QuietHandler):
    """Says that it will send much, and does, or does so slowly."""

    slow = False

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000000000000")
        self.end_headers()
        try:
            while not self.server.stopped.wait(0.05 if self.slow else 0):  # type: ignore[attr-defined]
                self.wfile.write(b" " if self.slow else b" " * 1_000_000)
                self.wfile.flush()
        except OSError:
            self.close_connection = True


class Slow(Endless):
    slow = True


@pytest.mark.parametrize(
    ("handler", "kind", "told"),
    [
        (Endless, errors.UnexpectedAnswer, "larger than 33,554,432 bytes"),
        (Slow, errors.TimedOut, "within 0.3 s"),
    ],
)
def test_a_body_without_end_is_not_taken(
    handler: type[QuietHandler], kind: type[Exception], told: str, make: Make
) -> None:
    with LoopbackServer(handler) as server:
        server._server.stopped = threading.Event()  # type: ignore[attr-defined]
        try:
            with pytest.raises(kind, match=told):
                make(server.url, timeout=0.3 if handler is Slow else 30, max_retries=0).jobs.get(JOB_ID)
        finally:
            server._server.stopped.set()  # type: ignore[attr-defined]


class Counting(QuietHandler):
    """Knows how many connections there were."""

    ports: ClassVar[set[int]] = set()

    def do_GET(self) -> None:
        self.ports.add(self.client_address[1])
        self.answer(200, json.dumps(job()).encode(), {"Content-Type": "application/json"})


def test_threads_share_a_client_and_a_child_gets_connections_of_its_own() -> None:
    Counting.ports = set()
    with LoopbackServer(Counting) as server, todoke.Todoke(server.url) as client:
        threads = [threading.Thread(target=client.jobs.get, args=[JOB_ID]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        before = len(Counting.ports)
        assert 1 <= before <= 8
        client.jobs.get(JOB_ID)
        assert len(Counting.ports) == before, "a connection is used again"

        child = os.fork()
        if child == 0:  # pragma: no cover - in the child
            os._exit(0 if client.jobs.get(JOB_ID).status == "PENDING" else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert len(Counting.ports) == before + 1
        assert client.jobs.get(JOB_ID).status == "PENDING"
        assert len(Counting.ports) == before + 1


def modules(code: str) -> set[str]:
    """What is loaded after `code` that a bare Python has not."""
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys; before = set(sys.modules)\n{code}\nprint(*(set(sys.modules) - before))"],
        cwd="client", capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return set(shown.stdout.split())


_ALLOWED = {"secrets", "hmac", "random", "fcntl", "decimal", "numbers", "platform", "uuid"}


def test_the_package_imports_nothing_before_it_is_used() -> None:
    assert modules("import importlib, typing, todoke") - modules("import importlib, typing") == {"todoke"}
    of_errors = modules("from todoke import JobFailed")
    assert not {name for name in of_errors if name.partition(".")[0] in {"httpx2", "anyio", "ssl", "asyncio"}}


def test_a_client_imports_httpx2_and_what_httpx2_imports() -> None:
    """Counted, because each of them is time at every start: a command, a function in the cloud, a test."""
    with_client = modules("from todoke import Todoke")
    alone = modules("import httpx2")
    foreign = {name for name in with_client - alone if name.partition(".")[0] != "todoke"}

    assert not {name for name in with_client if name.partition(".")[0] in {"pydantic", "rich", "typer", "trio"}}
    assert {name for name in foreign if not name.startswith("_")} <= _ALLOWED, foreign
    assert len({name for name in with_client if name.startswith("todoke")}) <= 31

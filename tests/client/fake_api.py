"""An API in this process: jobs that advance with each request, files with ranges, and outages on demand."""

import contextlib
import hashlib
import json
import re
import threading
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import LoopbackServer, QuietHandler

TYPE = {
    "name": "calendar", "title": "Calendar", "description": "Days.", "version": "1", "formats": ["csv", "zip"],
    "columns": [], "parameters": {
        "type": "object", "additionalProperties": False, "required": ["from"],
        "properties": {
            "from": {"type": "string", "format": "date", "title": "First day"},
            "least": {"type": "integer", "default": 3}, "share": {"type": "number"}, "exact": {"type": "boolean"},
            "carriers": {"type": "array", "items": {"type": "string"}},
            "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
    },
}  # fmt: skip


_TYPES: dict[str, dict[str, Any]] = {
    "/v1/report-types": {"default": "calendar", "reportTypes": [TYPE]},
    "/v1/report-types/calendar": TYPE,
    "/v1/report-types/calendar/choices/from": {
        "choices": [{"value": "2026-01-31", "title": "A Saturday"}], "more": True,
    },
}  # fmt: skip
"""What can be asked for, by path."""
_ACCESS = {"/v1/me", "/v1/keys", "/v1/keys/k1", "/v1/keys/k1:rotate", "/v1/audit"}


class World:
    """What the API knows, and how it behaves."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.ends = ["PENDING", "PROCESSING", "SUCCESS"]
        """The states of a job, one for each look; the last one stays."""
        self.content = b"day\n2026-01-31\n"
        self.sent: bytes | None = None
        """What is sent in the place of the content."""
        self.cut_after: int | None = None
        """Each answer with a file breaks off after so many bytes."""
        self.problem: tuple[int, str] | None = None
        """What every request is answered."""
        self.hold_after: int | None = None
        """An answer with a file stops after so many bytes, until `released`; then its connection ends."""
        self.held, self.released = threading.Event(), threading.Event()
        self.silent = False
        """Requests are heard, and not answered until `released`."""
        self.dead = False
        """Connections that are open are closed without an answer."""
        self.rows: dict[str, Any] = {}
        """A page of a job's first rows."""
        self.lost_answers = 0
        """So many submissions are accepted, and their answers never arrive."""
        self.key = ""
        """The API key, if one is asked for."""

    def posts(self) -> list[str]:
        """The paths that were posted to."""
        return [path for method, path, _, _ in self.asked if method == "POST"]

    def new(self, **more: Any) -> dict[str, Any]:
        """A job, at its beginning."""
        job_id = str(uuid.uuid4())
        made = {
            "jobId": job_id, "status": self.ends[0], "reportType": "calendar", "looks": 0, "result": None,
            "error": None, "progress": None, "createdAt": "2026-01-31T12:00:00.250000+00:00", **more,
        }  # fmt: skip
        self.jobs[job_id] = made
        return made

    def look(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job, one state further."""
        job["status"] = self.ends[min(job["looks"], len(self.ends) - 1)]
        job["looks"] += 1
        if job["status"] == "SUCCESS":
            file = {
                "name": "calendar.csv", "format": "csv", "mediaType": "text/csv", "sizeBytes": len(self.content),
                "sha256": hashlib.sha256(self.content).hexdigest(), "rows": 1, "url": "x",
            }  # fmt: skip
            job["result"] = {"artifacts": [file], "requiredScopes": [], "warnings": [], "seconds": 1.0}
        if job["status"] == "FAILED":
            job["error"] = {"code": "query_failed", "message": "no \x1b[31mtable", "retryable": False, "hint": "Ask."}
        if job["status"] == "PROCESSING":
            job["progress"] = {"phase": "reading", "rows": 5, "percent": 50.0, "totalRows": 10, "etaS": 1.0}
        return {name: value for name, value in job.items() if name != "looks"}


class Handler(QuietHandler):
    """Serves a world."""

    world: World

    def do_GET(self) -> None:
        self._do("GET")

    def do_POST(self) -> None:
        self._do("POST")

    def do_PUT(self) -> None:
        self._do("PUT")

    def do_DELETE(self) -> None:
        self._do("DELETE")

    def _do(self, method: str) -> None:
        with self.world.lock:
            self.world.asked.append((method, self.path, dict(self.headers), self.body()))
        if self.world.silent:
            self.world.released.wait(60)
            self.close_connection = True
        elif self.world.dead:
            self.close_connection = True
        elif self.world.problem is not None:
            status, code = self.world.problem
            self._json(status, {"status": status, "code": code, "detail": "So it is.", "requestId": "r1"})
        elif self.world.key and self.headers.get("Authorization") != f"Bearer {self.world.key}":
            self._json(401, {"status": 401, "code": "unauthorized", "detail": "No."})
        elif found := re.fullmatch(r"/v1/jobs/([0-9a-f-]+)/artifacts/calendar\.csv", self.path):
            self._file()
        elif found := re.fullmatch(r"/v1/jobs/([0-9a-f-]+)(:?/?\w*)", urlsplit(self.path).path):
            self._job(found[1], ":delete" if method == "DELETE" else found[2])
        else:
            self._rest(method)

    def _job(self, job_id: str, verb: str) -> None:
        job = self.world.jobs.get(job_id)
        if job is None:
            self._json(404, {"status": 404, "code": "unknown_job", "detail": f"There is no job {job_id!r}."})
        elif verb == ":cancel":
            self.world.ends = ["CANCELLED"]
            self._json(200, self.world.look(job))
        elif verb == ":delete":
            del self.world.jobs[job_id]
            self.answer(204)
        elif verb == ":keep":
            self._json(200, self.world.look(job))
        elif verb == ":retry":
            self._json(202, {**self.world.new(retryOf=job_id), "reportVersionChanged": False})
        elif verb == "/events":
            event = {"version": 1, "fromStatus": None, "toStatus": "PENDING", "verb": "submit", "attempt": 0}
            self._json(200, [{**event, "reason": None, "at": "2026-01-31T12:00:00.250000+00:00"}])
        elif verb == "/rows":
            self._json(200, self.world.rows)
        elif verb == "/why":
            reasons = [{"code": "behind_others", "message": "It waits behind 3 jobs.", "ahead": 3}]
            self._json(200, {"jobId": job_id, "status": "PENDING", "reasons": reasons})
        elif verb == "/stream":
            self._json(404, {"status": 404, "code": "unknown_path", "detail": "An older server."})
        else:
            self._json(200, self.world.look(job), {"Retry-After": "0"})

    def _rest(self, method: str) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if method == "POST" and path == "/v1/jobs":
            self._submit()
        elif path == "/v1/jobs:estimate":
            usual = {"jobs": 4, "p50Seconds": 14.2, "p95Seconds": 27.0}
            warned = [{"code": "source_busy", "message": "Ask again."}]
            about = {"reportType": "calendar", "reportVersion": "1", "formats": ["csv"], "expected": None}
            self._json(200, {**about, "usual": usual, "warnings": warned})
        elif path == "/v1/jobs:batch":
            self._batch()
        elif path == "/v1/jobs":
            size, at = int(query.get("pageSize", ["20"])[0]), int(query.get("pageToken", ["0"])[0])
            listed = list(self.world.jobs.values())[at : at + size]
            more = str(at + size) if at + size < len(self.world.jobs) else None
            self._json(200, {"jobs": listed, "nextPageToken": more})
        elif path in _TYPES:
            self._json(200, _TYPES[path])
        elif path in _ACCESS:
            self._access(method, path)
        elif path.startswith("/v1/gates"):
            self._gates(method, path)
        elif path == "/openapi.json":
            self._json(200, {"info": {"version": "9.9.9"}})
        else:
            self._json(404, {"status": 404, "code": "unknown_report_type", "detail": "There is none."})

    def _submit(self) -> None:
        key = self.headers["Idempotency-Key"]
        replayed = key in self.world.keys
        job = self.world.jobs[self.world.keys[key]] if replayed else self.world.new()
        self.world.keys[key] = job["jobId"]
        if self.world.lost_answers:
            self.world.lost_answers -= 1
            self.close_connection = True
            return
        self._json(202, {k: job[k] for k in ("jobId", "status", "reportType")})

    def _access(self, method: str, path: str) -> None:
        if path == "/v1/me":
            self._json(200, {"tenant": "acme", "subject": "ci", "credential": "key", "scopes": ["jobs:read"]})
        elif path == "/v1/keys":
            made = {"keyId": "k1", "name": "ci", "scopes": ["jobs:read"], "key": "todoke_secret", "secretShown": True}
            self._json(*((201, made) if method == "POST" else (200, {"keys": [made], "nextPageToken": None})))
        elif path.startswith("/v1/keys/"):
            self._json(201, {"keyId": "k2", "name": "ci", "scopes": [], "key": None, "secretShown": False})
        else:
            entry = {"id": "1", "at": "2026-01-31T12:00:00+00:00", "action": "key.create", "object": "key:k1"}
            self._json(200, {"entries": [entry], "nextPageToken": None})

    def _gates(self, method: str, path: str) -> None:
        gate = {
            "kind": "report_type", "name": "calendar", "etag": '"1"', "pause": {"reason": "wrong", "by": "ops"},
            "cap": None,
        }  # fmt: skip
        if method == "DELETE":
            self.answer(204)
        else:
            self._json(200, {"gates": [gate]} if path == "/v1/gates" else gate)

    def _batch(self) -> None:
        results: list[dict[str, Any]] = []
        for wanted in json.loads(self.world.asked[-1][3])["jobs"]:
            if wanted.get("reportType") == "calendar":
                results.append({"status": 202, "replayed": False, "job": self.world.new(), "problem": None})
            else:
                problem = {"status": 404, "code": "unknown_report_type", "detail": "There is none."}
                results.append({"status": 404, "replayed": False, "job": None, "problem": problem})
        self._json(200, {"results": results})

    def _file(self) -> None:
        content = self.world.content if self.world.sent is None else self.world.sent
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.world.hold_after is not None:
            self._hold(content[start : start + self.world.hold_after])
            return
        cut = self.world.cut_after
        with contextlib.suppress(OSError):
            self.wfile.write(content[start:] if cut is None else content[start : start + cut])
            self.wfile.flush()
        self.close_connection = cut is not None

    def _hold(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()
        self.world.held.set()
        self.world.released.wait(60)
        self.close_connection = True

    def _json(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        self.answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})


@contextlib.contextmanager
def serving(world: World, port: int = 0) -> Iterator[str]:
    """The world's address, until the block ends."""
    with LoopbackServer(type("Served", (Handler,), {"world": world}), port) as server:
        yield server.url

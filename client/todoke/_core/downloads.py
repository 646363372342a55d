"""Downloads a job's files: resumes where an earlier try stopped, and yields exactly the bytes that the job made, or
fails.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NoReturn, Protocol, TypeAlias
from urllib.parse import urljoin, urlsplit

from todoke._core import jobs
from todoke._core.config import Config
from todoke._core.part_file import PartFile, Stream, same
from todoke._core.requests import Request, job_path, may_pass, pause_after, problem_of, segment, to_send
from todoke._core.steps import Answer, Flow, Local, Send, Sleep, Writer
from todoke._core.waiting import outcome
from todoke.errors import ConnectionFailed, CorruptDownload, NoFiles, NotReady, TodokeError, UnexpectedAnswer
from todoke.models import Downloaded, Job

MANIFEST = "manifest.json"
_Origin: TypeAlias = tuple[str, str, int | None]
"""Scheme, host and port."""
_MOST_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to download, and how to recognise it."""

    name: str
    sha256: str
    size: int | None
    """None if the job does not say."""


class _Target(Writer, Protocol):
    """Where the bytes are written."""

    size: int

    def right(self) -> bool: ...


def download(
    config: Config, job: object, folder: Path, names: Sequence[str] | None, *, force: bool
) -> Flow[Sequence[Downloaded]]:
    """Download the job's files into a folder."""
    found = job if isinstance(job, Job) and job.ended else (yield from jobs.get(config, job))
    done = []
    for wanted in choose(found, names):
        target = folder / _safe(wanted.name)
        done.append((yield from _save(config, found.id, wanted, target, force=force)))
    return tuple(done)


def download_one(config: Config, job: object, target: Path, name: str | None, *, force: bool) -> Flow[Downloaded]:
    """Download one file to a path of the caller's choice."""
    found = job if isinstance(job, Job) and job.ended else (yield from jobs.get(config, job))
    return (yield from _save(config, found.id, _only(found, name), target, force=force))


def _save(config: Config, job_id: str, wanted: Wanted, target: Path, *, force: bool) -> Flow[Downloaded]:
    """Download one chosen file."""
    was_there = False if force else (yield Local(lambda: same(target, wanted.sha256)))
    part = PartFile(target, sha256=wanted.sha256, size=wanted.size)
    if not was_there:
        try:
            yield Local(part.open)
            yield from _fill(config, job_id, wanted, part)
            yield Local(lambda: part.publish(force=force))
        finally:
            part.close()
    size = part.size if not was_there else target.stat().st_size
    return Downloaded(target, wanted.name, size, wanted.sha256, was_there)


def download_into(config: Config, job: object, name: str | None, into: BinaryIO) -> Flow[Downloaded]:
    """Download one file into a stream. Raises CorruptDownload at the end if it does not match."""
    found = job if isinstance(job, Job) and job.ended else (yield from jobs.get(config, job))
    wanted = _only(found, name)
    stream = Stream(into, name=wanted.name, sha256=wanted.sha256, size=wanted.size)
    yield from _fetch(config, found.id, wanted, stream)
    if not stream.right():
        raise CorruptDownload(f"{wanted.name} differs from the job's file: its SHA-256 should be {wanted.sha256}")
    return Downloaded(Path(wanted.name), wanted.name, stream.size, wanted.sha256, was_there=False)


def _only(job: Job, name: str | None) -> Wanted:
    chosen = choose(job, None if name is None else [name])
    if len(chosen) > 1:
        raise ValueError(f"the job has several files; name one of {', '.join(one.name for one in chosen)}")
    return chosen[0]


def choose(job: Job, names: Sequence[str] | None) -> Sequence[Wanted]:
    """Return the job's files, or the named ones. Raises NotReady, JobFailed, JobCancelled and NoFiles."""
    if not job.ended:
        raise NotReady(job)
    result = outcome(job).result
    files = {one.name: Wanted(one.name, one.sha256, one.size_bytes) for one in (result.artifacts if result else ())}
    if not files:
        _explain(job)
    if names is None:
        return tuple(files.values())
    if result and result.manifest_sha256:
        files[MANIFEST] = Wanted(MANIFEST, result.manifest_sha256, None)
    if unknown := [name for name in names if name not in files]:
        raise NoFiles(f"job {job.id} has no file {unknown[0]!r}; it has {', '.join(files)}")
    return tuple(files[name] for name in dict.fromkeys(names))


def _explain(job: Job) -> NoReturn:
    result = job.result
    if result and result.required_scopes:
        raise NoFiles(f"the files of job {job.id} require the scope {result.required_scopes[0]}")
    if result and result.answer is not None:
        raise NoFiles(f"job {job.id} produced no files; see `answer` in its result")
    raise NoFiles(f"the files of job {job.id} expired at {job.expires_at}")


_JOINER = re.compile("(?<=[\u0600-\u1cff])[\u200c\u200d](?=[\u0600-\u1cff])")
"""Invisible characters that words of Persian and of the languages of India contain."""


def _safe(name: str) -> str:
    """Return the name if it is a plain file name. Raises UnexpectedAnswer."""
    printable = _JOINER.sub("", name).isprintable()
    if name in {"", ".", ".."} or not printable or re.search(r"[/\\:]", name) or len(name.encode()) > 240:
        raise UnexpectedAnswer(f"the file name {name[:60]!r} is not safe to save under")
    return name


def _fill(config: Config, job_id: str, wanted: Wanted, part: PartFile) -> Flow[None]:
    """Fetch the missing bytes. If the rest of an earlier run turns out to be wrong, start over, once."""
    resumed = part.resumed
    if wanted.size is None or part.size < wanted.size:
        yield from _fetch(config, job_id, wanted, part)
    if not part.right() and resumed:
        part.restart()
        yield from _fetch(config, job_id, wanted, part)
    if not part.right():
        part.discard()
        raise CorruptDownload(f"{wanted.name} differs from the job's file: its SHA-256 should be {wanted.sha256}")


def _fetch(config: Config, job_id: str, wanted: Wanted, target: _Target) -> Flow[None]:
    """Fetch the file from the target's position. When the connection breaks, continue, as long as each try brings
    bytes.
    """
    tries = 0
    while True:
        before = target.size
        try:
            yield from _fetch_once(config, job_id, wanted, target)
            return
        except TodokeError as failure:
            tries = 0 if target.size > before else tries + 1
            pause = pause_after(failure, tries, config)
            if not may_pass(failure) or pause is None or tries > config.max_retries:
                raise
        yield Sleep(pause)


def _fetch_once(config: Config, job_id: str, wanted: Wanted, target: _Target) -> Flow[None]:
    path = job_path(job_id, f"/artifacts/{segment(wanted.name, 'file')}")
    headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
    if target.size:
        # The server's tag of a file is its SHA-256. S3 does not know the digest and uses a tag of its own.
        headers |= {"Range": f"bytes={target.size}-", "If-Range": f'"{wanted.sha256}"'}
    step = to_send(config, Request("GET", path, headers=headers))
    step = replace(step, total_s=None, writer_for=_Taking(target), long=True)
    answer = yield from _follow(step)
    if answer.status == 416 and target.size and isinstance(target, PartFile):
        target.restart()
        answer = yield from _follow(replace(step, headers=_without(step.headers, "Range", "If-Range")))
    if answer.status not in {200, 206}:
        raise problem_of(answer, config.url)
    if wanted.size is not None and target.size < wanted.size:
        raise ConnectionFailed(
            f"the download of {wanted.name} was interrupted after {target.size:,} of {wanted.size:,} bytes"
        )


@dataclass(frozen=True, slots=True)
class _Taking:
    """Chooses who takes a body: the target for a file, nobody for a problem."""

    target: _Target

    def __call__(self, answer: Answer) -> Writer | None:
        if answer.status not in {200, 206}:
            return None
        coding = answer.headers.get("content-encoding", "identity")
        if coding.lower() != "identity":
            raise UnexpectedAnswer(f"a proxy encodes files as {coding[:40]!r}; configure it to pass them unchanged")
        start = _start(answer)
        if start != self.target.size:
            if start or not isinstance(self.target, PartFile):
                raise UnexpectedAnswer(f"the server resumed the file at byte {start} instead of {self.target.size}")
            self.target.restart()
        return self.target


def _start(answer: Answer) -> int:
    if answer.status == 200:
        return 0
    found = re.match(r"bytes ([0-9]{1,18})-", answer.headers.get("content-range", ""))
    if found is None:
        raise UnexpectedAnswer("the server sent part of the file without saying which part")
    return int(found[1])


def _follow(step: Send) -> Flow[Answer]:
    """Follow redirects to the final answer. The caller's credentials are sent to the API's own address only."""
    own = _origin(step.url)
    for _ in range(_MOST_REDIRECTS + 1):
        answer: Answer = yield step
        if answer.status not in _REDIRECTS:
            return answer
        url, origin = _led_to(step.url, answer.headers.get("location", ""), own)
        foreign = step.foreign or origin != own
        headers = _without(step.headers, "Authorization", "If-Range") if foreign else step.headers
        step = replace(step, url=url, foreign=foreign, headers=headers)
    raise UnexpectedAnswer(f"the file's address redirects more than {_MOST_REDIRECTS} times")


def _led_to(url: str, location: str, own: _Origin) -> tuple[str, _Origin]:
    """Return the address that a redirect names, and its origin. Raises UnexpectedAnswer for one that must not be
    followed.
    """
    try:
        url = urljoin(url, location)
        origin, user = _origin(url), "@" in urlsplit(url).netloc
    except ValueError:
        raise UnexpectedAnswer(f"the file's address redirects to {location[:200]!r}, which is not an address") from None
    downgraded = own[0] == "https" and origin[0] == "http"
    if origin[0] not in {"http", "https"} or downgraded or user:
        raise UnexpectedAnswer(f"the file's address redirects to {url[:200]!r}, which is not allowed")
    return url, origin


def _origin(url: str) -> _Origin:
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    return parts.scheme, parts.hostname or "", port


def _without(headers: Mapping[str, str], *names: str) -> Mapping[str, str]:
    return {name: value for name, value in headers.items() if name not in names}

"""Messages from a report's process to its worker: one JSON object per line, and nothing that the worker would execute.

Code of a report may write anything to this line, so the worker trusts none of it. A line that is not one of these
messages is rejected, and files are checked by `received_files` when nothing can change them any more.
"""

import hashlib
import json
import math
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.artifacts.tree import NotAPlainFile, Tree
from shared.reports.charts import MOST_BYTES, Chart
from shared.reports.interface import Progress, RenderedFile, ReportError
from shared.reports.sources.attachments import check_media_type, check_name
from shared.reports.sources.scram import Salt
from shared.reports.warnings import ReportWarning, WarningCode

_MOST_BYTES = 16 << 20
"""The longest message: some ten thousand files."""
_PIECE_BYTES = 1 << 16
_MOST_CHARACTERS = 8_000
"""The longest text in an error or a warning. It becomes part of the job's row."""
_CODES = {str(code): code for code in WarningCode}
_MOST_TOLD = 100
"""The most warnings of a file, and the most letters of a warning."""


class NotUnderstood(ValueError):
    """A line is not one of our messages."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An unexpected failure, with the traceback that the operator needs."""

    error: ReportError
    traceback: str


@dataclass(frozen=True, slots=True)
class SourceRead:
    """How much text the source has sent."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class SaltMet:
    """The salt with which a source requested its password; None if it requested it in another way, or not at all."""

    salt: Salt | None


Message = Progress | ReportError | Broken | Chart | SourceRead | SaltMet | list[RenderedFile]
Told = Progress | ReportError | Broken | Chart | SourceRead | SaltMet | Sequence[RenderedFile]
"""What a report's process sends."""


def encode(message: Told, scratch: Path) -> bytes:
    """Return the line of a message. Files must be in `scratch`."""
    match message:
        case Progress():
            said: dict[str, Any] = {"progress": _fields(message)}
        case Chart():
            said = {"chart": _fields(message)}
        case SourceRead():
            said = {"read": message.size_bytes}
        case SaltMet():
            said = {"salt": message.salt and _fields(message.salt)}
        case ReportError():
            said = {"error": _error(message)}
        case Broken():
            said = {"error": _error(message.error), "traceback": message.traceback[-64_000:]}
        case _:
            said = {"files": [_said_of(file, scratch) for file in message]}
    return json.dumps(said).encode() + b"\n"


def _said_of(file: RenderedFile, scratch: Path) -> Mapping[str, object]:
    where = str(file.path.relative_to(scratch))
    return {**_fields(file), "path": where, "warnings": [_fields(warning) for warning in file.warnings]}


def _fields(message: Any) -> Mapping[str, object]:
    """Return the fields of a dataclass. `asdict` also copies each value, which takes ten times as long."""
    return {name: getattr(message, name) for name in message.__slots__}


def send(line: socket.socket, message: Told, scratch: Path) -> None:
    """Send the message to the worker at the other end. Raises OSError."""
    line.sendall(encode(message, scratch))


def _error(error: ReportError) -> Mapping[str, object]:
    texts = {"code": str(error.code), "message": str(error), "hint": error.hint}
    return {"retryable": error.retryable, **{name: _storable(text) for name, text in texts.items()}}


def _storable(text: str) -> str:
    """Return the text as a row of the database can store it."""
    return text[:_MOST_CHARACTERS].replace("\0", "\ufffd").encode(errors="replace").decode()


def decode(line: bytes, scratch: Path) -> Message:
    """Return the message of a line. Raises NotUnderstood, or ReportError for a file's name or media type."""
    try:
        said = json.loads(line)
        if "progress" in said:
            return _progress(**said["progress"])
        if "chart" in said:
            return Chart(**{name: _text(said["chart"][name], MOST_BYTES) for name in ("specification", "family")})
        if "read" in said:
            return SourceRead(_number(said["read"]))
        if "salt" in said:
            return SaltMet(None if said["salt"] is None else _salt(**said["salt"]))
        if "files" in said:
            return [_file(scratch, **one) for one in said["files"]]
        told = said["error"]
        code, message, hint = (_text(told[name], _MOST_CHARACTERS) for name in ("code", "message", "hint"))
        error = ReportError(code, message, retryable=_is(bool, told["retryable"]), hint=hint)
        return Broken(error, _text(said["traceback"], 64_000)) if "traceback" in said else error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise NotUnderstood(f"{type(error).__name__}: {error}") from None


def _progress(*, phase: str, rows: int, percent: object, total_rows: object, eta_s: object) -> Progress:
    numbers = [None if one is None else float(_is((int, float), one)) for one in (percent, eta_s)]
    if not all(map(math.isfinite, filter(None, numbers))):
        raise NotUnderstood("a number that is none")
    total = None if total_rows is None else _number(total_rows)
    return Progress(_text(phase, 100), _number(rows), percent=numbers[0], total_rows=total, eta_s=numbers[1])


def _file(
    scratch: Path,
    *,
    name: str,
    format: str,  # noqa: A002 - the field's name
    path: str,
    media_type: str,
    size_bytes: int,
    sha256: str,
    rows: int,
    warnings: object,
) -> RenderedFile:
    at = Path(_text(path, 4_000))
    if at.is_absolute() or ".." in at.parts or len(bytes.fromhex(_text(sha256, 64))) != hashlib.sha256().digest_size:
        raise NotUnderstood("a file outside the scratch folder, or without a digest")
    check_name(_text(name, 300))
    check_media_type(name, _text(media_type, 300))
    return RenderedFile(
        name,
        _text(format, 100),
        scratch / at,
        media_type,
        _number(size_bytes),
        sha256.lower(),
        _number(rows),
        [_warning(**one) for one in _few(warnings)],
    )


def _warning(*, code: str, file: str, message: str, characters: object) -> ReportWarning:
    letters = [_text(one, 300) for one in _few(characters)]
    return ReportWarning(_CODES[code], _text(file, 300), _text(message, _MOST_CHARACTERS), letters)


def _salt(*, base64: object, iterations: object) -> Salt:
    return Salt(_text(base64, 400), _number(iterations))


def _few(value: object) -> list[Any]:
    found: list[Any] = _is(list, value)
    if len(found) > _MOST_TOLD:
        raise NotUnderstood("a list that is too long")
    return found


def _is(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise NotUnderstood(f"{type(value).__name__} in the place of {kind}")
    return value


def _text(value: object, most: int) -> str:
    text: str = _is(str, value)
    if len(text) > most or "\0" in text:
        raise NotUnderstood("a text that is too long, or holds U+0000")
    text.encode()  # fails for an unpaired surrogate
    return text


def _number(value: object) -> int:
    number: int = _is(int, value)
    if not 0 <= number < 1 << 62:
        raise NotUnderstood("a number out of range")
    return number


def check_files(files: Sequence[RenderedFile], scratch: Path, *others: str) -> None:
    """Raise NotUnderstood unless each file is what its message claims: a plain file in `scratch`, of that size.

    `others` are further names in `scratch` which the worker reads. No process of the report may be alive by then.
    """
    tree = Tree(scratch)
    if len({*others, *(file.name for file in files)}) != len(files) + len(others):
        raise NotUnderstood("two files of one name")
    try:
        for path, size in [
            *((str(f.path.relative_to(scratch)), f.size_bytes) for f in files),
            *((o, None) for o in others),
        ]:
            with tree.open(path) as opened:
                found = os.fstat(opened.fileno()).st_size
            if size not in {found, None}:
                raise NotUnderstood(f"a file of {found} bytes that was told to have {size}")
    except (OSError, NotAPlainFile) as error:
        raise NotUnderstood(f"a file that is none: {error}") from None


class Line:
    """The worker's end of the line, a non-blocking socket: an unfinished message is not waited for."""

    def __init__(self, end: socket.socket, scratch: Path) -> None:
        self._end = end
        self._scratch = scratch
        self._buffer = bytearray()
        self.closed = False

    def read(self) -> Iterator[Message]:
        """Yield the complete messages so far. Raises NotUnderstood."""
        try:
            piece = self._end.recv(_PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        self.closed = not piece
        self._buffer += piece
        if len(self._buffer) > _MOST_BYTES:
            raise NotUnderstood("a message without an end")
        if b"\n" not in piece:
            return
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            yield decode(bytes(line), self._scratch)

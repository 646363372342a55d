"""Opens DuckDB for use by a report: with limited memory, without extensions, and confined to its own files."""

import contextlib
import os
import re
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from shared.catalog.shape import UTC_NAME

_THREADS = 1
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031
"""Linux, fcntl(2), read 2026-11-24. Without it a pipe holds only 64 KiB, and each side waits for the other."""


_USUAL_MB = 128
"""The budget of a report type that sets no memory limit. Databases are created with it, because setting it later takes
a child 1 ms."""
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": _THREADS,
    "memory_limit": f"{_USUAL_MB}MB",
    # DuckDB 2.0 starts eight more threads per database for reading ahead from a network. None of our files is on one,
    # and a process with additional threads could not fork.
    "async_threads": 0,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": True,
}
_spare: list[duckdb.DuckDBPyConnection] = []
"""Empty databases, opened in advance. A forked process inherits those of its parent, which costs a tenth of opening one
(`python -m tests.benchmarks.small_case`)."""
_left: list[duckdb.DuckDBPyConnection] = []
"""Databases that are left for the end of the process, because closing one takes longer than a small report's
queries."""

_readings: weakref.WeakKeyDictionary[Generator[bytes, None, None], duckdb.DuckDBPyConnection] = (
    weakref.WeakKeyDictionary()
)
"""Results that are being read, by their database."""


def prepare(databases: int) -> None:
    """Open this many databases in advance, for this process and all that are forked from it.

    Opens none if DuckDB needs more than the one thread that survives a fork.
    """
    while _left:
        _left.pop().close()
    while len(_spare) < databases:
        _spare.append(_opened())
    if threading.active_count() > 1 or _tasks() > 1:
        while _spare:
            _spare.pop().close()


def _tasks() -> int:
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names are enough
    except OSError:
        return 0


@contextlib.contextmanager
def opened(
    scratch: Path, memory_mb: int, *, columns: int = 0, zone: str = UTC_NAME
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory that spills into `scratch` and shows times in `zone`, for rows of so many columns.

    The process reuses it afterwards, so leave no table, view or variable in it. A confined database is not reused.
    """
    connection = connect(scratch, memory_mb, columns=columns, zone=zone)
    try:
        yield connection
        if zone != UTC_NAME:
            connection.execute(f"SET TimeZone = '{UTC_NAME}'")
        if _budget_mb(memory_mb, columns) != _USUAL_MB:
            connection.execute(f"SET memory_limit = '{_USUAL_MB}MB'")
    except BaseException:
        _close(connection)
        raise
    _spare.append(connection)


@contextlib.contextmanager
def opened_once(
    scratch: Path, memory_mb: int, *, columns: int = 0, small: bool = False, zone: str = UTC_NAME
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database that is not reused, so that it may be confined. `small` says that it holds little data."""
    connection = connect(scratch, memory_mb, columns=columns, zone=zone)
    try:
        yield connection
    finally:
        if small:
            _left.append(connection)
        else:
            _close(connection)


def _close(connection: duckdb.DuckDBPyConnection) -> None:
    """Close it after its results: DuckDB refuses while one is open, and a traceback keeps a failed one open."""
    for reading in [one for one, of in _readings.items() if of is connection]:
        reading.close()
    connection.close()


def connect(scratch: Path, memory_mb: int, *, columns: int = 0, zone: str = UTC_NAME) -> duckdb.DuckDBPyConnection:
    """Return a database as described in `opened`. The caller must close it."""
    settings = f"SET temp_directory = {literal(str(scratch / 'spill'))}"
    if (budget_mb := _budget_mb(memory_mb, columns)) != _USUAL_MB:
        settings += f"; SET memory_limit = '{budget_mb}MB'"
    if zone != UTC_NAME:
        settings += f"; SET TimeZone = {literal(zone)}"
    while _spare:
        connection = _spare.pop()
        try:
            connection.execute(settings)
        except duckdb.Error:  # it has spilled, and stays with its folder
            connection.close()
        else:
            return connection
    connection = _opened()
    connection.execute(settings)
    return connection


def _budget_mb(memory_mb: int, columns: int) -> int:
    # Besides its own budget DuckDB needs some 100 MB for buffers that it does not count (measured, 2.0). Each column
    # needs a buffer of some 70 KB for writing it and as much for reading it.
    return max(96, memory_mb // 4, min(memory_mb * 5 // 8, 64 + columns // 5))


def _opened() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config=_SETTINGS)
    connection.execute(f"SET TimeZone = '{UTC_NAME}'; SET enable_progress_bar = false")
    return connection


def confine(connection: duckdb.DuckDBPyConnection, *files: Path, folder: Path | None = None) -> None:
    """From here on, allow only `files`, the files in `folder` and our own pipes, and no extensions.

    No statement can undo this.
    """
    settings = [f"allowed_paths = [{', '.join(literal(str(file)) for file in files)}]"]
    if folder is not None:
        settings.append(f"allowed_directories = [{literal(str(folder) + '/')}, '/dev/fd/']")
    settings += ["enable_external_access = false", "lock_configuration = true"]
    connection.execute("; ".join(f"SET {setting}" for setting in settings))


def identifier(name: str) -> str:
    """Quote `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote `text` as an SQL string, because DuckDB's COPY and table functions take no bound parameters."""
    return "'" + text.replace("'", "''") + "'"


def said(error: duckdb.Error) -> str:
    """Return an error's message on one line, up to its first empty line, after which advice and settings follow.

    Details of a bad CSV, and similar names for an unknown one, are on its second and third lines. The name of the CSV
    is kept if it is relative: the worker's own paths must not be shown.
    """
    first, _, rest = str(error).partition("\n\n")
    lines = [line.strip() for line in first.splitlines()[:_MOST_LINES]] or [type(error).__name__]
    told = " ".join(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in lines).rstrip(".")
    file = re.search(r"^  file = ([^/\n].*)$", rest, re.MULTILINE)
    return f"{told} (in {file[1]})" if file else told


def line_of(error: duckdb.Error) -> int | None:
    """Return the line of the query that an error refers to; None if it does not say."""
    line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
    return int(line[1]) if line else None


_MOST_LINES, _LONGEST = 3, 300
AS_CSV = "DELIMITER ',', QUOTE '\"', ESCAPE '\"'"
_FEW = 100
_AS_LINES = "DELIMITER '', QUOTE '', ESCAPE ''"


@dataclass(slots=True)
class Copied:
    """The number of rows, set once everything is copied."""

    rows: int = 0


def lines(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[bytes]:
    """Yield the one text column of `query`, with a line feed after each row, in pieces of up to 1 MiB, in order."""
    return copied(connection, query, _AS_LINES, Copied())


def few_lines(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[bytes]:
    """Yield the same as `lines`, for a result that DuckDB may hold in memory."""
    result = connection.execute(query)
    while rows := result.fetchmany(_FEW):
        yield "".join(f"{text}\n" for (text,) in rows).encode()


def copied(connection: duckdb.DuckDBPyConnection, query: str, options: str, whole: Copied) -> Iterator[bytes]:
    """Yield the result as CSV in pieces of up to 1 MiB, in order.

    DuckDB makes the text and this process passes it on: no row becomes a Python object. An error of the query is raised
    here.
    """
    reading = _copied(connection, query, options, whole)
    _readings[reading] = connection
    return reading


def _copied(
    connection: duckdb.DuckDBPyConnection, query: str, options: str, whole: Copied
) -> Generator[bytes, None, None]:
    reading, writing = _pipe()

    def work() -> None:
        try:
            [whole.rows] = connection.execute(
                f"COPY ({query}) TO '/dev/fd/{writing}' (FORMAT csv, HEADER false, USE_TMP_FILE false, {options})"
            ).fetchone() or [0]
        finally:
            os.close(writing)

    with _beside(work, close=reading, work_is_cause=False):
        while piece := os.read(reading, _PIPE_BYTES):
            yield piece


def write_all(descriptor: int, piece: bytes | bytearray) -> None:
    """Write the whole piece into a pipe."""
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextlib.contextmanager
def fed(feed: Callable[[int], None]) -> Iterator[str]:
    """Yield the name of a pipe that `feed`, given a file descriptor, fills in a thread while the block reads it.

    An error of `feed` is raised at the end of the block, even if the block failed too: then `feed` was the cause.
    """
    reading, writing = _pipe()

    def work() -> None:
        try:
            feed(writing)
        finally:
            os.close(writing)

    with _beside(work, close=reading, work_is_cause=True):
        yield f"/dev/fd/{reading}"


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    with contextlib.suppress(OSError, ImportError):
        import fcntl

        fcntl.fcntl(writing, _F_SETPIPE_SZ, _PIPE_BYTES)
    return reading, writing


@contextlib.contextmanager
def _beside(work: Callable[[], None], *, close: int, work_is_cause: bool) -> Iterator[None]:
    """Run `work` in a thread beside the block. The block's end closes the pipe, so that no writer waits forever."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asked
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True, name="report-pipe")
    thread.start()
    try:
        yield
    except BaseException as error:
        _finish(thread, close)
        if failures and work_is_cause and not isinstance(failures[0], BrokenPipeError):
            raise failures[0] from error
        raise
    _finish(thread, close)
    if failures:
        raise failures[0]


def _finish(thread: threading.Thread, descriptor: int) -> None:
    os.close(descriptor)
    thread.join()

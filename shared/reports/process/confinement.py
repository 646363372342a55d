"""What one report's process may reach.

This is decided by our own code alone, before any of the report's code is loaded.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import shared
from shared.catalog.mariadb_url import MariaDbUrl
from shared.catalog.model import ReportKind
from shared.catalog.python_report import code_of_plugins
from shared.catalog.source_urls import sqlite_path
from shared.reports.interface import RenderRequest
from shared.reports.process import postgres_network
from shared.reports.process.seccomp import Sockets

# Libraries, fonts, time zones, and the files of TLS, name look-ups and locales. Not all of /etc, which may contain
# secrets.
SYSTEM = (
    "/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin",
    *(f"/etc/{name}" for name in (
        "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "ssl", "pki", "ca-certificates",
        "crypto-policies", "localtime", "timezone", "locale.alias", "mime.types", "hosts", "host.conf", "resolv.conf",
        "nsswitch.conf", "gai.conf", "services", "protocols", "passwd", "group",
    )),
    "/dev/urandom", "/dev/random", "/dev/zero",
    # What allocators, V8 and DuckDB read about the machine.
    "/proc/meminfo", "/proc/cpuinfo", "/proc/sys/vm", "/sys/devices/system/cpu",
    "/sys/kernel/mm/transparent_hugepage", "/sys/fs/cgroup",
)  # fmt: skip
_AWS_FILES = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CA_BUNDLE",
              "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Confinement:
    """The files, sockets and ports that a process may use."""

    readable: Sequence[str]
    writable: Sequence[str]
    sockets: Sockets
    ports: Sequence[int] | None
    """TCP ports to connect to; None for all."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a report needs, as the worker knows it from catalog and settings."""

    source: str
    """The URL of its only source; empty for a report type in Python. Secret."""
    environment: Mapping[str, str]
    """Environment variables for its source: PG… or AWS_…"""
    scratch: str | None
    """The folder that it may write to; None for a process that writes nothing."""
    kept: str | None
    """The folder of the job's extract, if one may be kept."""
    files: Sequence[str]
    """The catalog, fonts, and what a report type in Python declares."""
    network: bool
    """True for a report type in Python that declares it."""
    copied: bool = False
    """True if PostgreSQL writes the only requested file, and nothing but libpq processes it."""
    reach: postgres_network.Reach | None = None
    """Where a PostgreSQL source is, if that needs no name look-up."""

    @classmethod
    def of(cls, request: RenderRequest) -> "Needs":
        """Return what `request` needs."""
        report = request.report
        source = request.source_dsn if report.kind is ReportKind.QUERY else ""
        named = [report.folder.parent if report.folder else None, request.fonts, *report.files]
        names = _VARIABLES.get(_scheme(source), ()) if source else ()
        copied = request.is_plain_csv and names == _OF_LIBPQ
        environment = {name: os.environ[name] for name in os.environ if name.startswith(names)} if names else {}
        return cls(
            source=source,
            environment=environment,
            scratch=os.path.realpath(request.scratch),
            kept=str(request.keep) if request.keep and report.kind is ReportKind.QUERY and not copied else None,
            files=[os.path.realpath(path) for path in named if path],
            network=report.network,
            copied=copied,
            reach=postgres_network.told_by(source, environment) if names == _OF_LIBPQ else None,
        )

    @classmethod
    def of_charts(cls, fonts: Path | None) -> "Needs":
        """Return what the process that draws charts needs: fonts, and nothing of any report."""
        return cls("", {}, None, None, [os.path.realpath(fonts)] if fonts else [], network=False)


_OF_LIBPQ = ("PG",)
_VARIABLES = {"": _OF_LIBPQ, "postgres": _OF_LIBPQ, "postgresql": _OF_LIBPQ, "s3": ("AWS_",)}
"""Scheme of a source's URL → the prefix of its variables' names."""


def _scheme(url: str) -> str:
    return urlsplit(url).scheme if "://" in url else ""


def confine(needs: Needs) -> tuple[Confinement, str]:
    """Return what the report may reach, and the URL of its source as seen from there. May look up host names."""
    sockets = Sockets.ANY if needs.network else Sockets.NONE
    ports: Sequence[int] | None = None if needs.network else []
    source = needs.source
    readable = [*SYSTEM, "/proc/self", *importable(tuple(sys.path)), *needs.files]
    scheme = _scheme(source)
    if source and _VARIABLES.get(scheme) == _OF_LIBPQ:
        reach = needs.reach or postgres_network.reach_of(source, os.environ)
        sockets, ports, source = reach.sockets, reach.ports, reach.conninfo
        readable += reach.files
    elif scheme == "file":
        readable.append(unquote(urlsplit(source).path))
    elif scheme == "sqlite":
        readable += _sqlite_files(source)
    elif scheme == "mariadb":
        sockets, ports = Sockets.TCP, []
        with contextlib.suppress(ValueError):  # opening it reports the error
            target = MariaDbUrl.of(source).looked_up()
            ports, source = [target.port], str(target)
            readable += target.files
    elif source:  # S3 is found by name and asked for keys; what a plugin needs is unknown here
        sockets, ports = Sockets.ANY, None
        if scheme == "s3":
            readable += [str(Path.home() / ".aws"), *(os.environ[name] for name in _AWS_FILES if name in os.environ)]
        elif len(path := urlsplit(source).path) > 1:
            readable.append(unquote(path))
    writable = ["/dev/null", *([needs.scratch] if needs.scratch else [])]
    if needs.kept:
        Path(needs.kept).mkdir(parents=True, exist_ok=True)
        writable.append(needs.kept)
    return Confinement(readable, writable, sockets, ports), source


def _sqlite_files(url: str) -> Sequence[str]:
    """Return the file, and the journals that SQLite keeps beside the file itself, wherever a link to it is."""
    try:
        path = os.path.realpath(sqlite_path(url))
    except ValueError:
        return []  # opening it reports the error
    return [path, *(f"{path}-{name}" for name in ("wal", "shm", "journal"))]


@functools.cache
def importable(path: tuple[str, ...]) -> Sequence[str]:
    """Return where Python finds its modules on this `sys.path`, and packages of report types elsewhere (`pip install
    --editable`).

    The current folder is excluded. `python -m` adds it, and it may contain anything: in a container it is `/`.
    """
    here = Path.cwd()
    given = {Path(one).resolve() for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one}
    given |= {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    found = {Path(one or here).resolve() for one in path} - {here, *here.parents}
    places = (given | found) - {Path("/")}
    editable = {one.resolve() for one in code_of_plugins()}
    places |= {one for one in editable if places.isdisjoint(one.parents)}
    return [*map(str, sorted(places)), str(Path(shared.__file__).parent)]

"""Examines this machine: scratch space, isolation of reports, fonts, files that contain secrets."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.cli.doctor.finding import Finding, fail, ok, warn
from shared.reports.process import isolation

_LITTLE_MB = 1024
_SECRET_FILES = (
    "DATABASE_URL_FILE", "REPORT_SOURCE_URL_FILE", "REPORT_SOURCES_FILE", "MANIFEST_KEY_FILE", "SECRETS_KEY_FILE",
)  # fmt: skip
_FEWEST_FILES = 1024


def look() -> Iterator[Finding]:
    """Yield the findings."""
    yield from _scratch(Path(os.environ.get("WORKER_SCRATCH") or tempfile.gettempdir()))
    yield from _isolation(required=os.environ.get("REPORT_ISOLATION") == "required")
    yield from _permissions(os.environ)
    yield from _fonts(os.environ.get("REPORT_FONTS"))


def _scratch(folder: Path) -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 65536)
            probe.flush()
            os.fsync(probe.fileno())
        free_mb = shutil.disk_usage(folder).free >> 20
    except OSError as error:
        remedy = "mount WORKER_SCRATCH writable for the worker's user, with enough space"
        yield fail("scratch", f"{folder} cannot be written: {error.strerror}", remedy)
        return
    if free_mb < _LITTLE_MB:
        yield warn(
            "scratch", f"{folder} has {free_mb} MB free", "give WORKER_SCRATCH more space: a report may need gigabytes"
        )
    else:
        yield ok("scratch", f"{folder} is writable, {free_mb:,} MB free")


def _isolation(*, required: bool) -> Iterator[Finding]:
    found = isolation.found()
    if found.in_force:
        yield ok("isolation", f"in force: {', '.join(found.in_force)}")
    for part, remedy in found.missing.items():
        message = f"{part} is not isolated here" + (", and REPORT_ISOLATION=required" if required else "")
        yield (fail if required else warn)("isolation", message, f"needs {remedy}")


def _permissions(environment: Mapping[str, str]) -> Iterator[Finding]:
    wrong = False
    for name in _SECRET_FILES:
        if not (file := environment.get(name)):
            continue
        try:
            with Path(file).open("rb") as opened:
                mode = os.fstat(opened.fileno()).st_mode
        except OSError as error:
            wrong = True
            yield fail("permissions", f"{name}: {file} cannot be read: {error.strerror}", "let this user read it")
            continue
        if mode & 0o004 and not file.startswith("/run/secrets/"):
            wrong = True
            yield warn("permissions", f"{name}: every user on this machine may read {file}", f"chmod o-r {file}")
    if os.geteuid() == 0:
        wrong = True
        yield warn("permissions", "this user is root", "run the services as a dedicated user, as the images do")
    limit = _open_files()
    if limit is not None and limit < _FEWEST_FILES:
        wrong = True
        yield warn(
            "permissions", f"a process may open only {limit} files", f"raise the limit to {_FEWEST_FILES} or more"
        )
    if not wrong:
        yield ok("permissions", "only this user can read the secrets, and it is not root")


def _open_files() -> int | None:
    """Return the limit of open files; None for no limit."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _fonts(folder: str | None) -> Iterator[Finding]:
    from shared.reports.formats.pdf import fonts

    if not any(fonts.FACES.glob("*.ttf")):
        yield warn("fonts", "Todoke's own fonts are not installed", "only workers need them: run doctor there")
        return
    if not folder:
        yield ok("fonts", f"{len(fonts.chain(None))} families of Todoke's own")
        return
    if not Path(folder).is_dir():
        yield fail("fonts", f"REPORT_FONTS: {folder} is not a folder", "mount it, or unset REPORT_FONTS")
        return
    own, all_of_them = {face.family for face in fonts.chain(None)}, fonts.chain(Path(folder))
    if added := [face.family for face in all_of_them if face.family not in own]:
        yield ok("fonts", f"REPORT_FONTS adds {', '.join(added)}")
    else:
        yield warn(
            "fonts", f"REPORT_FONTS: {folder} adds no family", "add TrueType files (.ttf) that are not variable fonts"
        )

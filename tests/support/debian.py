"""Programs from Debian that only tests need: `tool("spin")` returns a path that can be run.

A program is found on PATH; else installed, if this is root; else unpacked into `.todoke/debian`, which needs no rights
and changes nothing on the machine. Packages with a daemon are always unpacked: installing them would start it.
"""

import contextlib
import fcntl
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".todoke" / "debian"
# Minutes, because a mirror may be slow and eight callers may wait for one another.
_LIMIT_S = 600
_APT = ("-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")


class ToolMissing(Exception):
    """A program that a test needs is missing and could not be fetched; the message has the remedy."""


@dataclass(frozen=True, slots=True)
class _Source:
    packages: Sequence[str]
    daemon: bool = False
    """Installing the package would start a service."""
    sysroot: Sequence[str] = ()
    """Packages that a compiler must find in one place when it is unpacked, even if the machine has some of them."""


_SOURCES = {
    "chromium": _Source(("chromium", "fonts-ipaexfont-gothic")),  # the pages have Japanese texts, too
    "spin": _Source(("spin",)),
    "cc": _Source(("gcc", "libc6-dev"), sysroot=("libc6", "libc6-dev", "libgcc-s1", "linux-libc-dev")),
    "prometheus": _Source(("prometheus",), daemon=True),
    "pdftotext": _Source(("poppler-utils",)),
    "soffice": _Source(("libreoffice-calc-nogui",)),
    "node": _Source(("nodejs",)),
    "npm": _Source(("npm",)),
    "promtool": _Source(("prometheus",), daemon=True),
    "zsh": _Source(("zsh",)),
    "fish": _Source(("fish",)),
    "nginx": _Source(("nginx",), daemon=True),
    "pgbouncer": _Source(("pgbouncer",), daemon=True),
    "mariadbd": _Source(("mariadb-server-core",), daemon=True),
}


def tool(name: str, *, cache: Path = CACHE) -> Path:
    """Return the path of a program of `_SOURCES`. The first call may take a minute; others wait for it. Raises
    ToolMissing.
    """
    source = _SOURCES[name]
    if found := _found(name, cache):
        return found
    with _alone():
        return _found(name, cache) or _fetched(name, source, cache)


def _found(name: str, cache: Path) -> Path | None:
    on_path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    unpacked = cache / "bin" / name
    return Path(on_path) if on_path else unpacked if unpacked.exists() else None


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"todoke-debian-{os.getuid()}.lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _fetched(name: str, source: _Source, cache: Path) -> Path:
    if not shutil.which("apt-get"):
        raise ToolMissing(f"{name} is not on PATH and this is not Debian: install it (Debian's {source.packages[0]})")
    try:
        if os.getuid() == 0 and not source.daemon:
            _with_fresh_lists(["install", "-y", "--no-install-recommends", *source.packages])
        else:
            _unpack(name, source, cache)
    except subprocess.CalledProcessError as failure:
        said = "\n".join((failure.stderr or "").splitlines()[-5:])
        raise ToolMissing(
            f"{name} is not on PATH and could not be fetched. Connect to a Debian mirror, or as root: "
            f"apt-get update && apt-get install {' '.join(source.packages)}\n{said}"
        ) from failure
    except subprocess.TimeoutExpired as failure:
        raise ToolMissing(f"{name} could not be fetched within {_LIMIT_S} s: is the Debian mirror slow?") from failure
    if found := _found(name, cache):
        return found
    raise ToolMissing(f"{' '.join(source.packages)} came without {name}")


def _with_fresh_lists(arguments: Sequence[str], folder: Path | None = None) -> str:
    """Run apt-get; if it fails, as root update the package lists once (a fresh image has none) and run it again."""
    try:
        return _apt_get(arguments, folder)
    except subprocess.CalledProcessError:
        if os.getuid() != 0:
            raise
        _apt_get(["update"], None)
        return _apt_get(arguments, folder)


def _apt_get(arguments: Sequence[str], folder: Path | None) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(
        ["apt-get", "-q", *_APT, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=_LIMIT_S,
    )  # fmt: skip
    return done.stdout


def _unpack(name: str, source: _Source, cache: Path) -> None:
    simulated = _with_fresh_lists(["install", "--simulate", "--no-install-recommends", *source.packages])
    missing = [line.split()[1] for line in simulated.splitlines() if line.startswith("Inst ")]
    _unpack_packages([*missing, *source.packages], cache / "root")
    if source.sysroot:
        _unpack_packages(source.sysroot, cache / "sysroot")
    _wrap(name, cache, compiler=bool(source.sysroot))


def _unpack_packages(packages: Sequence[str], root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        # As root, apt-get would switch to a user who may not write here.
        _apt_get(["download", "-o", "APT::Sandbox::User=root", *dict.fromkeys(packages)], Path(scratch))
        for package in sorted(Path(scratch).glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, root], capture_output=True, text=True, check=True)


def _wrap(name: str, cache: Path, *, compiler: bool) -> None:
    """Make a script that runs the unpacked program with the libraries unpacked beside it."""
    root = cache / "root"
    candidates = [root / "usr" / folder / name for folder in ("bin", "sbin")]
    program = root / "usr/bin/gcc" if compiler else next((p for p in candidates if p.exists()), None)
    if program is None:
        return
    libraries = sorted({str(p.parent) for folder in ("lib", "usr/lib") for p in (root / folder).rglob("*.so.*")})
    options = f" --sysroot={shlex.quote(str(cache / 'sysroot'))}" if compiler else ""
    script = cache / "bin" / f"{name}.new"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(
        "#!/bin/sh\n"
        f"export LD_LIBRARY_PATH={shlex.quote(os.pathsep.join(libraries))}\n"
        f"export COMPILER_PATH={shlex.quote(str(root / 'usr/bin'))}\n"
        f'exec {shlex.quote(str(program))}{options} "$@"\n'
    )
    script.chmod(0o755)
    script.rename(script.with_suffix(""))

"""A report type that tries everything that its process must not be able to do. Do not install it."""

import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from shared.plugin import Context, Format, Limits, PythonColumn

_libc = ctypes.CDLL(None, use_errno=True)
IMPORTED_IN = str(Path.cwd())


class HostileParameters(BaseModel):
    """What to try, and on whom."""

    act: str
    given: dict[str, Any] = {}


class Hostile:
    """Its rows tell what came of each attempt."""

    title = description = version = "hostile"
    formats = (Format.CSV,)
    columns = (PythonColumn("what", "text"), PythonColumn("outcome", "text"))
    Parameters = HostileParameters
    limits = Limits(timeout_s=60, memory_mb=300)

    def rows(self, parameters: HostileParameters, context: Context) -> Iterator[tuple[str, str]]:
        """Do what is asked."""
        yield from globals()[f"_{parameters.act}"](context, **parameters.given)


class Online(Hostile):
    """One that says that it opens connections, and reads a file."""

    network = True
    files: tuple[str, ...] = ()


def _tried(act: Callable[[], object]) -> str:
    try:
        return f"done: {str(act())[:20_000]}"
    except OSError as error:
        return f"refused: {error.strerror}"


def _listed(folder: str) -> Callable[[], object]:
    return lambda: [path.name for path in Path(folder).iterdir()]


def _look(_: Context, **on: Any) -> Iterator[tuple[str, str]]:
    """Everything that should be refused, and what should not."""
    worker, server = on["worker"], on["server"]
    yield "imported in", IMPORTED_IN
    yield "environment", repr(dict(os.environ))
    yield "own environ", Path("/proc/self/environ").read_text()
    yield "arguments", repr(sys.argv)
    for name in ("environ", "maps", "cmdline", "root/etc/hostname"):
        yield f"worker {name}", _tried(Path(f"/proc/{worker}/{name}").read_bytes)
    for name in ("cwd", "fd"):
        yield f"worker {name}", _tried(_listed(f"/proc/{worker}/{name}"))
    yield "server environ", _tried(Path(f"/proc/{server}/environ").read_bytes)
    yield "processes", _tried(_listed("/proc"))
    for name, path in on["secrets"].items():
        yield f"reading {name}", _tried(Path(path).read_text)
    for path in on["folders"]:
        yield f"writing {path}", _tried(partial((Path(path) / "todoke-hostile").write_text, "x"))
    for name, pid in (("worker", worker), ("server", server)):
        yield f"signal {name}", _tried(partial(os.kill, pid, 0))
        yield f"trace {name}", _tried(partial(_call, _libc.ptrace, 0x4206, pid, 0, 0))
        yield f"read memory of {name}", _tried(partial(_call, _libc.process_vm_readv, pid, 0, 0, 0, 0, 0))
    yield "tcp", _tried(lambda: socket.create_connection(("127.0.0.1", on["tcp"]), 5))
    yield "udp", _tried(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", on["udp"])))
    yield "listening", _tried(lambda: socket.create_server(("127.0.0.1", 0)))
    for name in ("unix", "abstract"):
        yield name, _tried(partial(_connect, on[name].replace("@", "\0")))
    yield "raw", _tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    yield "packets", _tried(lambda: socket.socket(17, socket.SOCK_RAW))
    yield "user namespace", _tried(lambda: _call(_libc.unshare, 0x10000000))
    yield "mount", _tried(lambda: _call(_libc.mount, b"none", b".", b"tmpfs", 0, None))
    yield "memory file", _tried(lambda: os.memfd_create("x"))
    yield "untie", _tried(lambda: _call(_libc.prctl, 1, 0, 0, 0, 0))
    yield "shared memory", _tried(lambda: _call(_libc.shmget, 7, 4096, 0o1600))
    yield "own scratch", _tried(lambda: Path("mine").write_text("x"))
    yield "temporary file", _tried(lambda: __import__("tempfile").NamedTemporaryFile().close())
    yield "a program", _tried(lambda: __import__("subprocess").run(["true"], check=True).returncode)
    yield "a thread", _tried(lambda: threading.Thread(target=print).start())


def _connect(name: str) -> None:
    socket.socket(socket.AF_UNIX).connect(name)


def _call(function: Any, *arguments: Any) -> int:
    result = int(function(*arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _reach(_: Context, **on: Any) -> Iterator[tuple[str, str]]:
    """What a report may do that has said so."""
    yield "tcp", _tried(lambda: socket.create_connection(("127.0.0.1", on["tcp"]), 5).close())
    yield "file", _tried(Path(on["file"]).read_text)
    yield "secret", _tried(Path(on["secret"]).read_text)


def _away() -> bool:
    """Be in a grandchild that nobody is the parent of, in a session of its own. False in the report."""
    if child := os.fork():
        os.waitpid(child, 0)
        return False
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork():
        os._exit(0)
    return True


def _escape(context: Context, *, wait: bool = False) -> Iterator[tuple[str, str]]:
    reading, writing = os.pipe()
    if _away():
        with contextlib.suppress(OSError):
            os.closerange(3, writing)
            os.write(writing, str(os.getpid()).encode())
        while True:
            time.sleep(60)
    pid = os.read(reading, 20).decode()
    while wait:
        context.progress(int(pid))
        time.sleep(0.1)
    yield "escaped", pid


def _memory(_: Context, *, processes: int, mb: int) -> Iterator[tuple[str, str]]:
    for _n in range(processes):
        if _away():
            held = bytearray(b"x") * (mb << 20)  # once: two copies would be more than one process may have
            time.sleep(120 + len(held) * 0)
    time.sleep(120)
    yield "never", ""


def _share(_: Context, *, processes: int) -> Iterator[tuple[str, str]]:
    """Memory that children share with the report, as joblib's do, counts once."""
    held = bytearray(b"x") * (60 << 20)
    for _n in range(processes):
        if not os.fork():
            os.closerange(3, 100)  # the rows' pipe has to end
            time.sleep(120)
    time.sleep(0.5)
    yield "shared", str(len(held))


def _bomb(_: Context) -> Iterator[tuple[str, str]]:
    threading.stack_size(1 << 16)
    for _n in range(600):
        threading.Thread(target=time.sleep, args=(120,), daemon=True).start()
    time.sleep(120)
    yield "never", ""


def _print(_: Context) -> Iterator[tuple[str, str]]:
    print('{"level":"critical","event":"forged"}')
    os.write(1, b"without an end")
    os.write(2, b"\xff\n")
    piece = b"x" * 999 + b"\n"
    for _n in range(100):
        os.write(1, piece * 1000)
    yield "printed", ""


def _put(context: Context, *, kind: str, target: str = "") -> Iterator[tuple[str, str]]:
    """Something else than a file where an attached file should be."""
    with context.attach("x.txt", "text/plain") as file:
        file.write(b"x")
    place = Path("attachments/x.txt")
    place.unlink()
    match kind:
        case "link":
            place.symlink_to(target)
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "foreign":
            Path("attachments/y.txt").write_text("y")
            place.write_text("x")
    yield "put", ""


def _lie(_: Context, *, line: str) -> Iterator[tuple[str, str]]:
    """Speak in the report's place."""
    for descriptor in range(3, 1000):
        with contextlib.suppress(OSError):
            socket.socket(fileno=os.dup(descriptor)).sendall(line.encode() + b"\n")
    time.sleep(120)
    yield "never", ""

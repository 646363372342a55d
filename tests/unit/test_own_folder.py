"""Folders of processes: those of dead ones are removed, those of live ones never."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.api import processes
from services.api.auth import rate_limit
from services.api.settings import ApiSettings
from shared.runtime import own_folder
from shared.runtime.metrics.slots import MULTIPROCESS_DIR
from shared.runtime.own_folder import OwnFolder, remove_abandoned

_OWNER = """
import os, pathlib, sys
from shared.runtime.own_folder import OwnFolder
folder = OwnFolder(pathlib.Path(sys.argv[1]), "todoke-worker-")
(folder.path / "extract.parquet").write_bytes(b"half")
if sys.argv[2] == "fork" and os.fork() == 0:
    sys.stdin.read()  # a child that outlives its parent
    os._exit(0)
print(folder.path, flush=True)
sys.stdin.read()
"""


@contextmanager
def a_process(scratch: Path, how: str = "") -> Iterator[tuple[subprocess.Popen[str], Path]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(scratch), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.stdin.close()
        process.kill()
        process.wait(20)
        process.stdout.close()


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(scratch: Path) -> None:
    with a_process(scratch) as (killed, its), a_process(scratch) as (_, other), OwnFolder(scratch, "todoke-w") as own:
        assert remove_abandoned(scratch, "todoke-w") == []
        killed.kill()
        killed.wait(20)

        assert remove_abandoned(scratch, "todoke-w") == [its]
        assert sorted(scratch.iterdir()) == sorted([other, own.path])
        assert (other / "extract.parquet").exists()


def test_a_child_that_goes_on_writing_keeps_the_folder(scratch: Path) -> None:
    with a_process(scratch, "fork") as (parent, its):
        parent.kill()
        parent.wait(20)
        assert remove_abandoned(scratch, "todoke-") == []
        assert its.exists()


def test_a_folder_goes_with_its_owner(scratch: Path) -> None:
    with OwnFolder(scratch, "todoke-") as own:
        (own.path / "below").mkdir()
        (own.path / "below/file").write_bytes(b"x")
    own.close()

    assert list(scratch.iterdir()) == []


def test_other_names_files_and_links_are_left_alone(scratch: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "precious").mkdir(parents=True)
    (scratch / "todoke-link").symlink_to(outside)
    (scratch / "todoke-file").write_bytes(b"x")
    (scratch / "another").mkdir()

    assert remove_abandoned(scratch, "todoke-") == []
    assert len(list(scratch.iterdir())) == 3
    assert (outside / "precious").is_dir()
    assert remove_abandoned(scratch / "gone", "todoke-") == []


def test_a_folder_that_a_sweeper_removes_before_it_is_locked_is_made_again(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = own_folder._lock, list[Path]()

    def swept_first(folder: Path) -> int | None:
        if not seen:
            seen.append(folder)
            folder.rmdir()
        return real(folder)

    monkeypatch.setattr(own_folder, "_lock", swept_first)
    with OwnFolder(scratch, "todoke-") as own:
        assert list(scratch.iterdir()) == [own.path]
        assert own.path != seen[0]


def test_makers_and_sweepers_at_once_never_lose_a_living_folder(scratch: Path) -> None:
    start = threading.Barrier(4)

    def make(_: int) -> int:
        start.wait(20)
        kept = 0
        for _ in range(50):
            with OwnFolder(scratch, "todoke-") as own:
                remove_abandoned(scratch, "todoke-")
                kept += own.path.is_dir()
        return kept

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(make, range(4))) == [50] * 4
    assert list(scratch.iterdir()) == []


def test_an_api_removes_the_folder_of_a_killed_supervisor(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = scratch / f"{processes._PREFIX}dead"
    left.mkdir()
    (left / "counter_1.db").write_bytes(b"x")
    seen: list[list[str]] = []
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: seen.append([p.name for p in scratch.iterdir()]))
    for name in (MULTIPROCESS_DIR, rate_limit.SHARED):
        monkeypatch.setenv(name, "restored at the end")

    processes.serve_several(ApiSettings.from_environment({"DATABASE_URL": "postgresql://unused", "API_WORKERS": "2"}))

    [[own]] = seen
    assert own != left.name
    assert list(scratch.iterdir()) == []

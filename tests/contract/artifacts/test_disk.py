"""Faults that only the disk can have."""

import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from shared.artifacts.disk import DiskStore
from shared.artifacts.durable_folders import DurableFolders
from shared.artifacts.interface import ArtifactMissing, ArtifactStoreUnavailable
from shared.artifacts.tree import Tree

KEY = "reports/acme/1/2/orders.csv"
DIGEST = hashlib.sha256(b"data").hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_bytes(b"data")
    return path


def put(store: DiskStore, file: Path) -> None:
    store.put(KEY, file, media_type="text/csv", sha256=DIGEST, metadata={})


def files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_cannot_take_the_file_is_a_store_that_is_away_and_keeps_no_rest(
    number: int, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    store = DiskStore(tmp_path / "store")

    with pytest.raises(ArtifactStoreUnavailable, match="disk is full" if number != errno.EIO else "Input/output"):
        put(store, file)
    with pytest.raises(ArtifactStoreUnavailable):
        store.check()
    assert files(tmp_path / "store") == []


def test_the_name_appears_after_the_bytes_are_on_disk_and_every_new_folder_after_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "store"
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def watch(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(("file" if path.is_file() else path.relative_to(root).as_posix(), (root / KEY).exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    put(DiskStore(root), file)

    assert synced == [
        ("file", False),
        ("reports/acme/1/2", True), ("reports/acme/1", True), ("reports/acme", True), ("reports", True), (".", True),
    ]  # fmt: skip


def test_a_folder_whose_name_is_on_disk_is_not_flushed_for_it_again_until_it_is_another_one(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, store = tmp_path / "store", DiskStore(tmp_path / "store")
    synced: list[str] = []
    real = os.fsync

    def watch(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.extend([] if path.is_file() else [path.relative_to(root).as_posix()])
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watch)

    def flushed(key: str) -> list[str]:
        synced.clear()
        store.put(key, file, media_type="text/csv", sha256=DIGEST, metadata={})
        return synced

    assert flushed("reports/acme/1/2/a.csv") == [
        "reports/acme/1/2", "reports/acme/1", "reports/acme", "reports", ".",
    ]  # fmt: skip
    assert flushed("reports/acme/1/2/b.csv") == ["reports/acme/1/2"]
    assert flushed("reports/acme/2/3/a.csv") == ["reports/acme/2/3", "reports/acme/2", "reports/acme"]
    store.delete(["reports/acme/1/2/a.csv", "reports/acme/1/2/b.csv", "reports/acme/2/3/a.csv"])
    assert len(flushed("reports/acme/1/2/a.csv")) == 5  # made anew, and in the same places of the disk


def test_a_folder_for_which_no_descriptor_is_free_is_stored_in_all_the_same(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "dup", refuse)
    put(DiskStore(tmp_path / "store"), file)

    assert files(tmp_path / "store") == [KEY]


def test_few_folders_are_remembered_and_each_is_held_open_so_that_no_other_gets_its_number(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    before = open_files()
    durable = DurableFolders(most=2)
    for name in "abcde":
        (tmp_path / name).mkdir()
        with Tree(tmp_path).walk([name]) as opened:
            durable.flush(opened)

    assert open_files() == before + 2
    del durable
    assert open_files() == before


def test_what_a_dead_writer_left_is_listed_after_an_hour_so_that_the_sweeper_finds_it(tmp_path: Path) -> None:
    part = tmp_path / "reports/acme/1/2/.part-abc"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    store = DiskStore(tmp_path)

    assert list(store.list("reports/")) == []
    an_hour_ago = time.time() - 3601
    os.utime(part, (an_hour_ago, an_hour_ago))
    [left] = store.list("reports/")
    assert left.key == "reports/acme/1/2/.part-abc"
    store.delete([left.key])
    assert list(tmp_path.iterdir()) == []


def test_deleting_the_last_file_keeps_the_root_even_behind_a_link(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "volume"
    real.mkdir()
    link = tmp_path / "mount"
    link.symlink_to(real)
    store = DiskStore(link)
    put(store, file)

    store.delete([KEY])
    assert real.is_dir()
    assert list(real.iterdir()) == []


def test_deleting_goes_on_where_a_dead_sweeper_stopped(file: Path, tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "store")
    put(store, file)
    path = tmp_path / "store" / KEY
    path.unlink()
    path.parent.rmdir()

    store.delete([KEY])

    assert list((tmp_path / "store").iterdir()) == []


def test_a_folder_that_the_sweeper_removes_at_the_wrong_moment_is_made_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open
    calls: list[object] = []

    def remove_first(path: str | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT and str(path).startswith(".part-"):
            calls.append(path)
            if len(calls) == 1:
                (tmp_path / "store" / KEY).parent.rmdir()
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", remove_first)
    put(DiskStore(tmp_path / "store"), file)

    assert len(calls) == 2
    assert files(tmp_path / "store") == [KEY]


def test_a_file_system_without_hard_links_is_served_by_renaming(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    put(DiskStore(tmp_path / "store"), file)

    assert files(tmp_path / "store") == [KEY]


def test_a_root_that_is_no_folder_is_a_store_that_is_away(file: Path) -> None:
    store = DiskStore(file / "store")

    with pytest.raises(ArtifactStoreUnavailable):
        put(store, file)
    with pytest.raises(ArtifactStoreUnavailable):
        store.check()
    with pytest.raises(ArtifactMissing):
        store.stat(KEY)

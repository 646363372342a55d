"""When the disk store keeps a file in place, and when it must copy it."""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.artifacts import part
from shared.artifacts.disk import DiskStore

_KEY = "reports/acme/1/2/orders.csv"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A file as a report's process leaves it, some hours ago."""
    path = tmp_path / "orders.csv"
    path.write_bytes(b"day\n")
    hours_ago = time.time() - 7200
    os.utime(path, (hours_ago, hours_ago))
    return path


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return tmp_path / "store" / _KEY


def put(tmp_path: Path, file: Path, *, given: bool = True) -> None:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    DiskStore(tmp_path / "store").put(_KEY, file, media_type="text/csv", sha256=sha256, metadata={}, given=given)


def test_a_file_on_the_same_disk_is_not_written_again(made: Path, stored: Path, tmp_path: Path) -> None:
    put(tmp_path, made)

    assert stored.stat().st_ino == made.stat().st_ino
    made.unlink()
    assert stored.read_bytes() == b"day\n"
    assert list(stored.parent.iterdir()) == [stored]


def test_it_is_what_a_file_made_there_is(made: Path, stored: Path, tmp_path: Path) -> None:
    """With its mode, and young: the sweeper takes an old part for one that a dead writer left."""
    made.chmod(0o777)
    put(tmp_path, made)

    assert stored.stat().st_mode & 0o777 == 0o640
    assert stored.stat().st_mtime > time.time() - 3600


def by_another_name(made: Path) -> None:
    """Whoever has it may write to it later."""
    made.with_suffix(".mine").hardlink_to(made)


def through_a_link(made: Path) -> None:
    made.rename(made.with_suffix(".elsewhere"))
    made.symlink_to(made.with_suffix(".elsewhere"))


@pytest.mark.parametrize("change", [by_another_name, through_a_link], ids=lambda f: f.__name__)
def test_what_may_still_be_written_to_is_copied(change: object, made: Path, stored: Path, tmp_path: Path) -> None:
    assert callable(change)
    change(made)
    put(tmp_path, made)

    assert stored.stat().st_ino != made.stat().st_ino
    assert not stored.is_symlink()
    made.write_bytes(b"other bytes")
    assert stored.read_bytes() == b"day\n"


def test_a_file_with_labels_of_its_own_is_copied_without_them(made: Path, stored: Path, tmp_path: Path) -> None:
    """Such as an access list that lets others read it: a report's code may write one."""
    try:
        os.setxattr(made, "user.note", b"let them in")
    except (AttributeError, OSError):
        pytest.skip("files of this system have no labels")
    put(tmp_path, made)

    assert stored.stat().st_ino != made.stat().st_ino
    assert os.listxattr(stored) == []


def test_what_is_not_given_is_copied(made: Path, stored: Path, tmp_path: Path) -> None:
    put(tmp_path, made, given=False)

    assert stored.stat().st_ino != made.stat().st_ino


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    with contextlib.suppress(OSError):
        os.close(descriptor)


def test_a_folder_that_gives_its_own_group_or_labels_gets_a_copy(
    folder: int, made: Path, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = made.stat()
    assert part._is_as_made_in(folder, found)

    monkeypatch.setattr(os, "listxattr", lambda _: ["system.posix_acl_default"])
    put(tmp_path, made)
    assert stored.stat().st_ino != made.stat().st_ino
    monkeypatch.setattr(os, "listxattr", lambda _: [])

    monkeypatch.setattr(os, "getegid", lambda: found.st_gid + 1)
    assert not part._is_as_made_in(folder, found)  # of a group that a new file would not get
    tmp_path.chmod(0o2755)
    assert part._is_as_made_in(folder, found)  # the folder's group, which is the file's
    monkeypatch.setattr(os, "geteuid", lambda: found.st_uid + 1)
    assert not part._is_as_made_in(folder, found)


def test_another_file_system_gets_a_copy(
    made: Path, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def across(source: Path | str, name: str, **to: object) -> None:
        if source == made:
            raise OSError(18, "Invalid cross-device link")
        real(source, name, **to)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", across)
    put(tmp_path, made)

    assert stored.stat().st_ino != made.stat().st_ino
    assert stored.read_bytes() == b"day\n"

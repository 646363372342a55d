"""The disk store follows no symbolic link below its root, and never blocks on anything but plain files."""

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactExists, ArtifactMissing, ArtifactStoreUnavailable

KEY = "reports/acme/1/2/orders.csv"
SECRET = b"the API's own secret"
DIGEST = hashlib.sha256(SECRET).hexdigest()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside the store, below the folders of a key, so that a link at any height leads to it."""
    path = tmp_path / "outside" / KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def put(store: DiskStore, file: Path) -> None:
    store.put(KEY, file, media_type="text/csv", sha256=DIGEST, metadata={})


def read(store: DiskStore) -> None:
    looks: list[Callable[[], object]] = [
        lambda: store.stat(KEY),
        lambda: store.open(KEY),
        lambda: store.locate(
            KEY, size_bytes=len(SECRET), sha256=DIGEST, download_name="x", media_type="x/y", expires_s=60
        ),
    ]
    for look in looks:
        with pytest.raises(ArtifactMissing):
            look()


@pytest.mark.parametrize("height", range(5))
@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_at_any_height_leads_nowhere(height: int, absolute: bool, root: Path, secret: Path) -> None:
    outside = secret.parents[4]
    names = KEY.split("/")
    there = Path(*names[: height + 1])
    link = root / there
    link.parent.mkdir(parents=True)
    link.symlink_to(outside / there if absolute else os.path.relpath(outside / there, link.parent))
    assert (root / KEY).read_bytes() == SECRET
    store = DiskStore(root)

    read(store)
    assert list(store.list("")) == []
    store.delete([KEY])
    assert secret.read_bytes() == SECRET
    if height < len(names) - 1:
        with pytest.raises(ArtifactStoreUnavailable):
            put(store, secret)
        assert sorted(secret.parent.iterdir()) == [secret]


def test_a_link_in_the_place_of_a_new_file_is_neither_followed_nor_taken_for_it(root: Path, secret: Path) -> None:
    link = root / KEY
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)

    with pytest.raises(ArtifactExists):
        put(DiskStore(root), secret)
    assert link.is_symlink()
    assert list(link.parent.iterdir()) == [link]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    here = os.open(path.parent, os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"/proc/self/fd/{here}/{path.name}")  # a long path does not fit into an address
    finally:
        os.close(here)


@pytest.mark.parametrize("make", [_pipe, _socket, Path.mkdir], ids=["pipe", "socket", "folder"])
def test_what_is_not_a_plain_file_is_not_waited_for(make: Callable[[Path], None], root: Path) -> None:
    (root / KEY).parent.mkdir(parents=True)
    make(root / KEY)
    store = DiskStore(root)

    read(store)
    assert list(store.list("")) == []


def test_a_folder_that_becomes_a_link_between_two_looks_leads_nowhere(
    root: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened is what is sent: the path is not asked again."""
    store = DiskStore(root)
    put(store, secret)
    found = store.locate(KEY, size_bytes=len(SECRET), sha256=DIGEST, download_name="x", media_type="x/y", expires_s=60)
    (root / KEY).rename(root / "moved")
    (root / KEY).symlink_to("/etc/hostname")

    assert b"".join(found.pieces()) == SECRET


def test_a_volume_that_is_not_mounted_keeps_its_rows(root: Path) -> None:
    """Nothing is known of a file whose store is not there: whoever forgets it now leaves its bytes for ever."""
    assert list(DiskStore(root).delete([KEY])) == [KEY]

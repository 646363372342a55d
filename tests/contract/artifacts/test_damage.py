"""Damaged files are never served as whole: damage at rest, on a disk and on S3."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from shared.artifacts import opened_file
from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactDamaged, ArtifactMissing, SignedUrl
from shared.artifacts.opened_file import PIECE_BYTES, OpenedFile, VerifiedFiles
from shared.artifacts.s3 import S3Store

KEY = "reports/acme/1/2/orders.csv"
SMALL = b"day,orders\n" * 100
LARGE = os.urandom(1024) * (3 * PIECE_BYTES // 1024) + b"end"


def put(store: DiskStore | S3Store, tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "made"
    file.write_bytes(data)
    store.put(KEY, file, media_type="text/csv", sha256=hashlib.sha256(data).hexdigest(), metadata={})


def locate(store: DiskStore, stored: bytes) -> OpenedFile:
    return store.locate(
        KEY,
        size_bytes=len(stored),
        sha256=hashlib.sha256(stored).hexdigest(),
        download_name="orders.csv",
        media_type="text/csv",
        expires_s=60,
    )


@pytest.fixture
def disk(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "store")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store" / KEY


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is read before its first byte is sent."""
    monkeypatch.setattr("shared.artifacts.disk.HASH_FIRST_BYTES", -1)


def flip_a_bit(place: Path, at: int = 0) -> None:
    with place.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def cut(place: Path) -> None:
    os.truncate(place, place.stat().st_size - 1)


def lengthen(place: Path) -> None:
    with place.open("ab") as file:
        file.write(b"x")


@pytest.mark.parametrize(
    "damage",
    [flip_a_bit, cut, lengthen, lambda p: p.write_bytes(b"")],
    ids=["a bit flipped", "cut", "lengthened", "emptied"],
)
def test_a_small_file_that_was_damaged_is_told_before_a_byte_is_sent(
    damage: Callable[[Path], None], disk: DiskStore, place: Path, tmp_path: Path
) -> None:
    put(disk, tmp_path, SMALL)
    damage(place)

    with pytest.raises(ArtifactDamaged, match=KEY):
        locate(disk, SMALL)


@pytest.mark.parametrize("damage", [cut, lengthen], ids=["cut", "lengthened"])
@pytest.mark.usefixtures("all_are_large")
def test_another_size_is_told_before_a_byte_is_sent_however_large(
    damage: Callable[[Path], None], disk: DiskStore, place: Path, tmp_path: Path
) -> None:
    put(disk, tmp_path, LARGE)
    damage(place)

    with pytest.raises(ArtifactDamaged, match="bytes"):
        locate(disk, LARGE)


@pytest.mark.parametrize("at", [0, PIECE_BYTES, len(LARGE) - 1])
@pytest.mark.usefixtures("all_are_large")
def test_the_last_piece_of_a_large_file_leaves_only_when_all_of_it_was_right(
    at: int, disk: DiskStore, place: Path, tmp_path: Path
) -> None:
    put(disk, tmp_path, LARGE)
    flip_a_bit(place, at)
    sent = bytearray()

    def send() -> None:
        for piece in locate(disk, LARGE).pieces():
            sent.extend(piece)

    with pytest.raises(ArtifactDamaged, match="SHA-256"):
        send()
    assert 0 < len(sent) < len(LARGE)


@pytest.mark.usefixtures("all_are_large")
def test_a_part_of_a_large_file_is_sent_only_after_the_whole_was_read(
    disk: DiskStore, place: Path, tmp_path: Path
) -> None:
    put(disk, tmp_path, LARGE)
    assert b"".join(locate(disk, LARGE).pieces(10, 20)) == LARGE[10:20]
    flip_a_bit(place, len(LARGE) - 1)

    with pytest.raises(ArtifactDamaged):
        next(locate(disk, LARGE).pieces(10, 20))


@pytest.mark.usefixtures("all_are_large")
def test_a_file_that_is_changed_while_it_is_sent_is_not_sent_to_its_end(
    disk: DiskStore, place: Path, tmp_path: Path
) -> None:
    put(disk, tmp_path, LARGE)
    locate(disk, LARGE).verify()  # so that nothing hashes it again
    for damage in (cut, lambda p: p.write_bytes(b""), flip_a_bit):
        pieces = locate(disk, LARGE).pieces()
        sent = next(pieces)
        damage(place)
        with pytest.raises(ArtifactDamaged, match="while it was read"):
            sent += b"".join(pieces)
        assert len(sent) < len(LARGE)
        place.unlink()
        put(disk, tmp_path, LARGE)
        locate(disk, LARGE).verify()


@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("limit", [-1, 1 << 30], ids=["while it is sent", "first"])
def test_a_whole_file_and_each_part_of_it_come_back(
    data: bytes, limit: int, disk: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.artifacts.disk.HASH_FIRST_BYTES", limit)
    put(disk, tmp_path, data)

    for start, stop in ((0, len(data)), (0, len(data) // 2), (len(data) // 3, len(data))):
        assert b"".join(locate(disk, data).pieces(start, stop)) == data[start:stop]


def test_a_file_that_is_removed_while_it_is_sent_is_sent_whole(disk: DiskStore, place: Path, tmp_path: Path) -> None:
    put(disk, tmp_path, LARGE)
    pieces = locate(disk, LARGE).pieces()
    first = next(pieces)
    disk.delete([KEY])

    assert first + b"".join(pieces) == LARGE
    with pytest.raises(ArtifactMissing):
        locate(disk, LARGE)


def test_a_file_is_hashed_once_until_it_changes_or_an_hour_has_passed(
    disk: DiskStore, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(disk, tmp_path, SMALL)
    now = 0.0
    monkeypatch.setattr(disk, "_verified", VerifiedFiles(lambda: now))
    hashed: list[int] = []
    digest = hashlib.file_digest

    def watch(*arguments: object) -> object:
        hashed.append(1)
        return digest(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", watch)
    for _ in range(3):
        locate(disk, SMALL).close()
    assert len(hashed) == 1
    now = 3601.0
    locate(disk, SMALL).close()
    assert len(hashed) == 2

    status = place.stat()
    flip_a_bit(place)
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))  # as if nothing had been written
    with pytest.raises(ArtifactDamaged):
        locate(disk, SMALL)


def test_what_is_known_of_verified_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_file, "_REMEMBERED", 2)
    verified, status = VerifiedFiles(), tmp_path.stat()
    for sha256 in ("a", "b", "a", "c"):
        verified.remember(status, sha256)

    assert [sha256 for sha256 in "abc" if verified.hold(status, sha256)] == ["a", "c"]


def test_no_descriptor_stays_open(disk: DiskStore, place: Path, tmp_path: Path) -> None:
    put(disk, tmp_path, SMALL)
    before = len(list(Path("/proc/self/fd").iterdir()))

    locate(disk, SMALL).close()
    b"".join(locate(disk, SMALL).pieces())
    list(disk.list(""))
    cut(place)
    with pytest.raises(ArtifactDamaged):
        locate(disk, SMALL)
    place.unlink()
    with pytest.raises(ArtifactMissing):
        locate(disk, SMALL)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


# S3


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"Body": SMALL}, None),  # a copy that lost its metadata is still whole
        ({"Body": SMALL[:-1]}, ArtifactDamaged),
        ({"Body": SMALL + b"x"}, ArtifactDamaged),
        ({"Body": SMALL.replace(b"o", b"0"), "ChecksumAlgorithm": "SHA256"}, ArtifactDamaged),
        ({"Body": SMALL, "Metadata": {"sha256": "0" * 64}}, ArtifactDamaged),
        (None, ArtifactMissing),
    ],
    ids=["copied", "shorter", "longer", "other bytes", "of another file", "gone"],
)
def test_another_object_in_the_place_of_the_stored_one_gets_no_link(
    stored: dict[str, object] | None, expected: type[Exception] | None, bucket: str, tmp_path: Path
) -> None:
    store, client = S3Store(bucket, ""), boto3.client("s3")
    put(store, tmp_path, SMALL)
    client.delete_object(Bucket=bucket, Key=KEY)
    if stored is not None:
        client.put_object(Bucket=bucket, Key=KEY, **stored)

    def link() -> SignedUrl:
        return store.locate(
            KEY,
            size_bytes=len(SMALL),
            sha256=hashlib.sha256(SMALL).hexdigest(),
            download_name="x",
            media_type="text/csv",
            expires_s=60,
        )

    if expected is None:
        assert link().url
    else:
        with pytest.raises(expected):
            link()

"""A catalog that follows its folder, and survives a wrong one."""

import os
import signal
import threading
from pathlib import Path

import pytest

from shared.catalog.live import LiveCatalog
from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import Catalog
from tests.support.eventually import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog with one report type."""
    one = tmp_path / "one"
    one.mkdir()
    (one / "report.toml").write_text('title = "One"\n')
    (one / "query.sql").write_text("SELECT 1 AS a")
    return tmp_path


def taken_up(catalog: LiveCatalog) -> bool:
    """True if the second look at a change takes it up, and the first does not."""
    return not catalog.look() and catalog.look()


def a_type(folder: Path, name: str, query: str) -> Path:
    one = folder / name
    one.mkdir(parents=True)
    (one / "report.toml").write_text('title = "One"\n')
    (one / "query.sql").write_text(query)
    return one


def test_a_change_is_followed_and_what_was_held_stays(folder: Path) -> None:
    catalog = LiveCatalog(folder)
    held = catalog.types["one"]
    assert not catalog.look()

    (folder / "one" / "query.sql").write_text("SELECT 2 AS aa")
    assert taken_up(catalog)
    assert (held.query, catalog.types["one"].query) == ("SELECT 1 AS a", "SELECT 2 AS aa")
    assert held.version != catalog.types["one"].version
    assert not catalog.look()


def test_a_wrong_catalog_is_told_and_the_right_one_stays(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = LiveCatalog(folder)
    (folder / "one" / "report.toml").write_text('titel = "One"\n')

    assert taken_up(catalog)
    assert list(catalog.types) == ["one"]
    record = caplog.records[0]
    assert "report.toml:1: titel: is not a setting" in record.__dict__["problem"]
    (folder / "one" / "report.toml").write_text('title = "Uno"\n')
    assert taken_up(catalog)
    assert catalog.types["one"].title == "Uno"


def test_a_service_does_not_start_with_a_wrong_catalog(folder: Path) -> None:
    (folder / "one" / "report.toml").write_text("")

    with pytest.raises(CatalogError):
        LiveCatalog(folder)


def test_sighup_reads_it_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.catalog.live.state_of", lambda _: frozenset())  # only the signal counts
    before = signal.getsignal(signal.SIGHUP)
    try:
        catalog = LiveCatalog(folder)
        catalog.follow()
        (folder / "one" / "report.toml").write_text('title = "Uno"\n')
        os.kill(os.getpid(), signal.SIGHUP)
        eventually(lambda: catalog.types["one"].title == "Uno", within_s=10)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_change_behind_a_linked_folder_is_followed(tmp_path: Path) -> None:
    shared = a_type(tmp_path / "catalog" / ".shared", "orders", "SELECT 1 AS a")
    (tmp_path / "catalog" / "orders").symlink_to(shared)
    catalog = LiveCatalog(tmp_path / "catalog")
    (shared / "query.sql").write_text("SELECT 2 AS a")

    assert taken_up(catalog)
    assert catalog.types["orders"].query == "SELECT 2 AS a"
    (tmp_path / "catalog" / "twin").symlink_to(shared)
    assert taken_up(catalog)
    (tmp_path / "catalog" / "twin").unlink()
    assert taken_up(catalog)
    assert list(catalog.types) == ["orders"]


@pytest.mark.parametrize("below", [".", "..data"])
def test_another_revision_of_the_same_sizes_and_times_is_followed(tmp_path: Path, below: str) -> None:
    """git-sync and `rsync -t` swap a link; Kubernetes links each report type through `..data`."""
    current = tmp_path / "current"
    revisions = tmp_path if below == "." else current
    for number in (1, 2):
        folder = a_type(revisions / f"..rev{number}", "orders", f"SELECT {number} AS a")
        for file in folder.iterdir():
            os.utime(file, (1, 1))
    link = current if below == "." else current / "..data"
    link.symlink_to("..rev1")
    if below == "..data":
        (current / "orders").symlink_to("..data/orders")
    catalog = LiveCatalog(current)
    new = tmp_path / "new"
    new.symlink_to("..rev2")
    new.replace(link)

    assert taken_up(catalog)
    assert catalog.types["orders"].query == "SELECT 2 AS a"


def test_half_a_copy_is_not_taken(folder: Path) -> None:
    catalog = LiveCatalog(folder)
    before = catalog.types["one"].version
    for n in range(5):
        (folder / "one" / "report.toml").write_text(f'title = "Copy {n}"\n')
        assert not catalog.look()
    assert catalog.types["one"].version == before
    (folder / "one" / "query.sql").write_text("SELECT 2 AS a")

    assert taken_up(catalog)
    assert (catalog.types["one"].title, catalog.types["one"].query) == ("Copy 4", "SELECT 2 AS a")


def test_what_changes_while_it_is_read_is_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = LiveCatalog(folder)
    (folder / "one" / "report.toml").write_text('title = "Two"\n')

    def load_slowly(path: Path, **named: str | None) -> Catalog:
        loaded = load_catalog(path, **named)
        (folder / "one" / "query.sql").write_text("SELECT 2 AS a")
        return loaded

    monkeypatch.setattr("shared.catalog.live.load_catalog", load_slowly)
    assert not catalog.reload()
    assert catalog.types["one"].title == "One"
    monkeypatch.undo()
    assert taken_up(catalog) or catalog.look()
    assert (catalog.types["one"].title, catalog.types["one"].query) == ("Two", "SELECT 2 AS a")


def test_what_no_parser_takes_is_wrong_like_anything_else(folder: Path) -> None:
    catalog = LiveCatalog(folder)
    for wrong in ("x = " + "[" * 5000, "[limits]\nmemory_mb = " + "9" * 5000):
        (folder / "one" / "report.toml").write_text(f'title = "Two"\n{wrong}\n')
        assert taken_up(catalog)
        assert catalog.types["one"].title == "One"
        with pytest.raises(CatalogError, match=r"report\.toml:1: cannot be read as TOML: "):
            load_catalog(folder)


def test_the_folder_is_followed_whatever_happens_while_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("shared.catalog.live._LOOK_EVERY_S", 0.02)
    catalog = LiveCatalog(folder)
    reads = iter([RuntimeError(), OSError(5, "Input/output error")])

    def load(path: Path, **named: str | None) -> Catalog:
        for error in reads:
            raise error
        return load_catalog(path, **named)

    monkeypatch.setattr("shared.catalog.live.load_catalog", load)
    (folder / "one" / "report.toml").write_text('title = "Two"\n')
    threading.Thread(target=catalog._watch, daemon=True).start()
    eventually(lambda: catalog.types["one"].title == "Two")
    assert [vars(one)["reason"] for one in caplog.records if one.message == "catalog.unreadable"] == [
        "RuntimeError()",
        "[Errno 5] Input/output error",
    ]


def test_links_that_lead_in_a_circle_or_nowhere_do_no_harm(folder: Path) -> None:
    (folder / "one" / "circle").symlink_to(folder)
    (folder / "nowhere").symlink_to(folder / "not-there")

    assert not LiveCatalog(folder).look()

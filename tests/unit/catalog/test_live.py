"""A catalog that follows its folder, and survives a wrong one."""

import os
import signal
from pathlib import Path

import pytest

from shared.catalog.live import LiveCatalog
from shared.catalog.load import CatalogError
from tests.support.eventually import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog with one report type."""
    one = tmp_path / "one"
    one.mkdir()
    (one / "report.toml").write_text('title = "One"\n')
    (one / "query.sql").write_text("SELECT 1 AS a")
    return tmp_path


def test_a_change_is_followed_and_what_was_held_stays(folder: Path) -> None:
    catalog = LiveCatalog(folder)
    held = catalog.types["one"]
    assert not catalog.look()

    (folder / "one" / "query.sql").write_text("SELECT 2 AS aa")
    assert catalog.look()
    assert (held.query, catalog.types["one"].query) == ("SELECT 1 AS a", "SELECT 2 AS aa")
    assert held.version != catalog.types["one"].version
    assert not catalog.look()


def test_a_wrong_catalog_is_told_and_the_right_one_stays(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = LiveCatalog(folder)
    (folder / "one" / "report.toml").write_text('titel = "One"\n')

    assert catalog.look()
    assert list(catalog.types) == ["one"]
    record = caplog.records[0]
    assert "report.toml:1: titel: is not a setting" in record.__dict__["problem"]
    (folder / "one" / "report.toml").write_text('title = "Uno"\n')
    assert catalog.look()
    assert catalog.types["one"].title == "Uno"


def test_a_service_does_not_start_with_a_wrong_catalog(folder: Path) -> None:
    (folder / "one" / "report.toml").write_text("")

    with pytest.raises(CatalogError):
        LiveCatalog(folder)


def test_sighup_reads_it_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.catalog.live._state", lambda _: frozenset())  # only the signal counts
    before = signal.getsignal(signal.SIGHUP)
    try:
        catalog = LiveCatalog(folder)
        catalog.follow()
        (folder / "one" / "report.toml").write_text('title = "Uno"\n')
        os.kill(os.getpid(), signal.SIGHUP)
        eventually(lambda: catalog.types["one"].title == "Uno", within_s=10)
    finally:
        signal.signal(signal.SIGHUP, before)

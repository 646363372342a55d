"""A starting API applies the files of schedules completely or not at all, whatever dies, and audits each."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.schedules.files import FOLDER
from shared.schedules.from_files import HELD_S
from tests.protocol.crash.conftest import OpenStage
from tests.protocol.crash.matrix import Case, Effect
from tests.protocol.crash.play import Play
from tests.support.faults.plan import Fault
from tests.support.processes.services import CATALOG

_FILE = 'tenant = "default"\nreport_type = "slow"\ncron = "0 7 * * *"\n'
_CASES = (
    ("COMMIT", Fault.KILL_BEFORE), ("COMMIT", Fault.KILL_AFTER), ("sql schedules.file_gone", Fault.KILL_AFTER),
)  # fmt: skip


class Files:
    """The story: between two starts of the API a file is new, one is changed, and one is gone."""

    def __init__(self, catalog: Path) -> None:
        self._folder = catalog / FOLDER
        self._told = 0

    def __call__(self, story: Play) -> None:
        """Tell it once more."""
        self._told += 1
        conn, new, changed, gone = story.stage.conn, *(f"{name}-{self._told}" for name in ("new", "changed", "gone"))
        for name in (changed, gone):
            self._write(name, _FILE)
        with story.restarted("api"):
            pass
        story.until(lambda: self._state(story).get(gone) == ("0 7 * * *", None), what="the files are taken")
        with story.restarted("api"):
            self._write(new, _FILE)
            self._write(changed, _FILE.replace("0 7", "0 9"))
            (self._folder / f"{gone}.toml").unlink()
            conn.execute(text("UPDATE schedules SET file_seen_at = file_seen_at - make_interval(secs => :s)"),
                         {"s": HELD_S})  # fmt: skip
        expected = {new: ("0 7 * * *", None), changed: ("0 9 * * *", None), gone: ("0 7 * * *", "file_gone")}
        story.until(lambda: self._state(story).items() >= expected.items(), what="what has changed is taken")
        trail = text("SELECT action FROM audit JOIN schedules s ON object = 'schedules/' || s.id "
                     "WHERE file = :file ORDER BY audit.id")  # fmt: skip
        done = {file: conn.execute(trail, {"file": file}).scalars().all() for file in expected}
        create, update = "schedules.create", "schedules.update"
        assert done == {new: [create], changed: [create, update], gone: [create, update]}

    def _write(self, name: str, content: str) -> None:
        (self._folder / f"{name}.toml").write_text(content)

    @staticmethod
    def _state(story: Play) -> dict[str, tuple[str, str | None]]:
        rows = story.stage.conn.execute(text("SELECT file, cron, stop_reason FROM schedules"))
        return {row.file: (row.cron, row.stop_reason) for row in rows}


@pytest.mark.timeout(300)
def test_an_api_that_starts_takes_the_files_whole_or_not_at_all(
    open_stage: OpenStage, tell: Callable[[str], None], tmp_path: Path
) -> None:
    catalog = Path(shutil.copytree(CATALOG, tmp_path / "catalog"))
    (catalog / FOLDER).mkdir()
    with open_stage("schedule files", CATALOG_PATH=str(catalog)) as stage:
        story = Files(catalog)
        for effect, fault in _CASES:
            Case(Effect("api", effect, [story]), fault).run(stage)
    tell(f"{len(_CASES)} cases of files that are taken as an API starts")

"""All files of a job in one archive."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.catalog.model import Format
from shared.jobs import file_name
from shared.reports import bundle
from shared.reports.interface import Progress, RenderedFile, ReportError
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest, Run

QUERY = "SELECT n, '届' || n AS t FROM generate_series(1, 1000) AS n ORDER BY n"


def in_archive(files: Sequence[RenderedFile]) -> dict[str, bytes]:
    with zipfile.ZipFile(files[-1].path) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


@pytest.mark.parametrize("formats", [(Format.CSV,), tuple(Format)])
def test_the_archive_holds_every_file_to_the_byte_and_is_the_same_each_time(
    formats: tuple[Format, ...], a_request: MakeRequest, run: Run
) -> None:
    seen: list[Progress] = []
    first, second = (run(replace(a_request(QUERY, *formats), bundle=True), on_progress=seen.append) for _ in range(2))

    assert in_archive(first) == {f.name: f.path.read_bytes() for f in first[:-1]}
    assert len(first) == len(formats) + 1
    assert (first[-1].name, first[-1].format, first[-1].rows) == ("orders.zip", "zip", 1000)
    assert first[-1].sha256 == second[-1].sha256
    assert max(p.percent or 0 for p in seen) <= 100
    assert "writing zip" in {p.phase for p in seen}
    told = json.loads((first[0].path.parent / "manifest.json").read_text())["manifest"]["files"]
    assert [f["name"] for f in told] == [f.name for f in first]


def test_files_have_the_name_that_the_job_asks_for(a_request: MakeRequest, run: Run) -> None:
    # `extract.parquet` is the name of a file of ours under construction.
    files = run(replace(a_request(QUERY, Format.CSV, Format.PARQUET), bundle=True, file_name="extract"))

    assert [f.name for f in files] == ["extract.csv", "extract.parquet", "extract.zip"]
    assert [f.rows for f in files] == [1000, 1000, 1000]
    assert set(in_archive(files)) == {"extract.csv", "extract.parquet"}
    told = json.loads((files[0].path.parent / "manifest.json").read_text())["manifest"]["files"]
    assert [f["name"] for f in told] == [f.name for f in files]


@pytest.mark.parametrize("name", ["تقرير المبيعات ٢٠٢٦", "รายงานยอดขาย", "売上報告書 令和8年", "दैनिक विक्रय"])
def test_names_in_any_script_are_those_of_the_entries(name: str, a_request: MakeRequest) -> None:
    """Flagged as UTF-8 (APPNOTE 6.3.10, bit 11), which unzip, Explorer and Finder read."""
    assert file_name.problem(name) is None
    files = render_files(
        replace(a_request(QUERY, Format.CSV, Format.XLSX), bundle=True, file_name=name), lambda _: None
    )

    assert [f.name for f in files] == [f"{name}.csv", f"{name}.xlsx", f"{name}.zip"]
    with zipfile.ZipFile(files[-1].path) as archive:
        entries = archive.infolist()
    assert [(entry.filename, bool(entry.flag_bits & 0x800)) for entry in entries] == [
        (f"{name}.csv", True), (f"{name}.xlsx", True),
    ]  # fmt: skip


def test_an_archive_that_does_not_hold_the_files_is_not_published(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request(QUERY))
    changed = replace(file, sha256="0" * 64)

    with pytest.raises(ReportError, match=r"orders\.csv has changed") as failure:
        bundle.write_bundle([changed], file.path.with_suffix(".zip"), 1, lambda _: None)
    assert (failure.value.code, failure.value.retryable) == ("output_damaged", True)

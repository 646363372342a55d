"""Schedules as files of the catalog: what is read, and every error with its line."""

from pathlib import Path

import pytest

from shared.catalog.load import BUILTIN, load_catalog
from shared.schedules.files import FOLDER, FoundFiles, read_schedule_files

RIGHT = """\
name = "Calendar on Mondays"
tenant = "acme"
owner = "nightly"
report_type = "calendar"
cron = "0 7 * * MON"
time_zone = "Asia/Tokyo"
until = 2030-01-01T00:00:00Z
formats = ["csv"]
overlap = "queue"
[parameters]
from = "start_of_last_month"
to = 2026-01-31
[labels]
team = "finance"
"""


def read(folder: Path, **files: str) -> FoundFiles:
    (folder / FOLDER).mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / FOLDER / f"{name}.toml").write_text(content)
    return read_schedule_files(folder, load_catalog(BUILTIN).types)


def test_a_file_says_what_a_client_could_ask_for_with_its_tenant_and_owner(tmp_path: Path) -> None:
    assert read_schedule_files(tmp_path, {}) == ([], {})
    [one] = read(tmp_path, monday=RIGHT).right
    assert (one.name, one.tenant, one.owner) == ("monday", "acme", "nightly")
    assert one.fields == {
        "name": "Calendar on Mondays", "reportType": "calendar", "cron": "0 7 * * MON", "timeZone": "Asia/Tokyo",
        "until": "2030-01-01T00:00:00+00:00", "formats": ["csv"], "overlap": "queue",
        "parameters": {"from": "start_of_last_month", "to": "2026-01-31"}, "labels": {"team": "finance"},
    }  # fmt: skip
    [other] = read(tmp_path, monday='tenant = "a"\nreport_type = "calendar"\nevery_seconds = 3600\n').right
    assert (other.owner, other.fields["name"], other.digest != one.digest) == (None, "monday", True)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('tenant = "acme"\n', "", "tenant: is missing"),
        ("0 7 * * MON", "0 7 31 2 *", ":5: cron: "),
        ('cron = "0 7 * * MON"', 'cron = "0 7 * * MON"\nevery_seconds = 60', "write either cron"),
        ("Asia/Tokyo", "Asia/Tokio", ":6: time_zone:"),
        ('"queue"', '"que"', ":9: overlap: 'que' is not one of skip, queue, cancel"),
        ('"calendar"', '"calender"', "did you mean 'calendar'"),
        ('["csv"]', '["odt"]', ":8: formats: calendar makes no 'odt'"),
        ('"start_of_last_month"', '"sometime"', ":10: parameters: from:"),
        ("owner =", "ovner =", ":3: ovner: is not a setting"),
        ('name = "Cal', 'name = Cal"', ":1: "),
        ('name = "Cal', f'name = {"[" * 5000}"Cal', ":1: cannot be read as TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, before: str, after: str, told: str) -> None:
    assert before in RIGHT
    found = read(tmp_path, monday=RIGHT.replace(before, after), tuesday=RIGHT)
    assert [one.name for one in found.right] == ["tuesday"]
    assert told in "\n".join(found.wrong["monday"])
    assert all(one.startswith(f"{tmp_path / FOLDER / 'monday.toml'}:") for one in found.problems)


def test_the_folder_is_no_report_type_and_its_names_are_plain(tmp_path: Path) -> None:
    assert "rename the file" in read(tmp_path, **{"Monday!": RIGHT}).problems[0]

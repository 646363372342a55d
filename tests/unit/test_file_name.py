"""Clients may name their files, and no name can escape the folder or deceive anyone."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.jobs.file_name import MAX_CHARACTERS, expand, problem
from shared.reports.sources.attachments import check_name
from todoke._core.downloads import _safe

_DAY = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
_LETTERS = st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"])
_NAMES = st.text(_LETTERS | st.sampled_from("شس\u200c\u200dनम ._-a"), max_size=20)


@pytest.mark.parametrize(
    "template",
    ["sales", "sales {date}", "{reportType}-{jobId}", "売上 {date}", "v1.2_final", "Größe", "हिन्दी", "می\u200cشود",
     "श्री\u200dमान", "{date}", "7", "x" * MAX_CHARACTERS],
)  # fmt: skip
def test_a_plain_name_is_taken(template: str) -> None:
    assert problem(template) is None


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("", "must begin with"), (" sales", "must begin with"), (".sales", "must begin with"),
        ("-rf", "must begin with"), ("sales ", "not end in"), ("sales.", "not end in"), ("a..b", "'..'"),
        ("../../etc/passwd", "contains '/'"), ("a/b", "contains '/'"), ("a\\b", r"contains '\\'"),
        ("a\0b", "U+0000"), ("a\r\nSet-Cookie: x", "U+000D"), ('a"; filename="b', "contains '\"'"), ("a:b", "':'"),
        ("a\u202etxt.exe", "U+202E"), ("a\u200bb", "U+200B"), ("a\u200cb", "U+200C"), ("श\u200d", "U+200D"),
        ("श\u200d\u200dश", "U+200D"), ("श\u200bश", "U+200B"), ("a%2fb", "'%'"), ("$(reboot)", "'$'"), ("=1+1", "'='"),
        ("a\u00b2", "contains"), ("a;b", "';'"), ("<b>", "'<'"), ("a*", "'*'"), ("\ud800", "U+D800"),
        ("con", "Windows"), ("NUL.txt", "Windows"), ("com1", "Windows"), ("lpt9.x", "Windows"),
        ("report.csv", "must not end in '.csv'"), ("report.PDF", "extension"), ("all.zip", "extension"),
        ("{reporttype}", "did you mean 'reportType'"), ("{}", "placeholder"), ("{0.__class__}", "placeholder"),
        ("{date", "brace"), ("date}", "brace"), ("{{date}}", "brace"), ("Größe".replace("ö", "o\u0308"), "NFC"),
        ("x" * (MAX_CHARACTERS + 1), "at most 120"),
    ],
)  # fmt: skip
def test_a_name_that_could_harm_is_refused_with_the_remedy(template: str, says: str) -> None:
    assert says in str(problem(template))


@given(name=_NAMES)
@example(name="می\u200cشود")
def test_what_a_client_may_choose_workers_store_and_clients_save(name: str) -> None:
    if problem(name) is None and "{" not in name:
        check_name(f"{name}.csv")
        assert _safe(f"{name}.csv") == f"{name}.csv"


def test_the_placeholders_are_ours() -> None:
    job_id = UUID(int=7)
    name = expand("{reportType} {reportVersion} {jobId} {date} x", report_type="sales", report_version="2/../3",
                  job_id=job_id, day=_DAY)  # fmt: skip

    assert name == f"sales 2_.._3 {job_id} 2026-01-31 x"

"""`todoke-server gates`: pause, resume, cap."""

import json

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.cli.__main__ import main
from shared.jobs import caps, gates, pauses
from shared.jobs.gates import Gate, Kind
from tests.support.jobs import a_job, started


@pytest.fixture(autouse=True)
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["gates", "list", "-o", "json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_operator_pauses_sees_and_resumes(conn: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gates", "pause", "report-type", "calendar", "--reason", "it is wrong", "--hours", "2"]) == 0
    [told] = listed(capsys)
    assert (told["kind"], told["name"], told["state"], told["reason"]) == (
        "report_type", "calendar", "paused", "it is wrong"
    )  # fmt: skip
    assert str(told["by"]).startswith("todoke-server:")
    until = conn.execute(text("SELECT extract(epoch FROM until - now()) / 3600 FROM pauses")).scalar_one()
    assert 1.9 < until < 2.1

    assert main(["gates", "resume", "report-type", "calendar"]) == 0
    assert listed(capsys)[0]["state"] == "resuming"
    assert main(["gates", "pause", "report-type", "calendar", "--reason", "again"]) == 1
    assert "try again in a moment" in capsys.readouterr().err
    assert main(["gates", "resume", "source", "warehouse"]) == 1
    assert capsys.readouterr().err == "source warehouse is not paused\n"


def test_an_operator_caps_and_what_runs_already_counts(conn: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    started(conn, a_job(conn))
    assert main(["gates", "cap", "tenant", "acme", "--running", "4"]) == 0
    assert caps.room(conn) == {Gate(Kind.TENANT, "acme"): 3}
    [told] = listed(capsys)
    assert (told["state"], told["running"], told["most"]) == ("capped", 1, 4)

    assert main(["gates", "uncap", "tenant", "acme"]) == 0
    assert main(["gates", "uncap", "tenant", "acme"]) == 1
    assert listed(capsys) == []


def test_a_name_that_no_worker_has_told_of_is_pointed_out(conn: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    gates.tell_sources(conn, {"calendar": "warehouse"})
    for kind, name, known in (
        ("source", "warehouse", True), ("source", "warehous", False), ("report-type", "calendar", True),
        ("report-type", "warehouse", False), ("tenant", "anybody", True),
    ):  # fmt: skip
        for change in (["pause", kind, name, "--reason", "it moves"], ["cap", kind, name, "--running", "2"]):
            capsys.readouterr()
            assert main(["gates", *change]) == 0
            said = capsys.readouterr().err
            assert ("no worker has told of" in said) is not known, f"{change}: {said}"
    assert main(["gates", "resume", "source", "warehous"]) == 0
    assert "is the name right" not in capsys.readouterr().err


def test_every_change_is_in_the_audit_trail(conn: Connection) -> None:
    main(["gates", "pause", "tenant", "acme", "--reason", "unpaid"])
    main(["gates", "resume", "tenant", "acme"])
    main(["gates", "cap", "source", "warehouse", "--running", "2"])
    main(["gates", "uncap", "source", "warehouse"])

    found = conn.execute(text("SELECT tenant, action, object, after FROM audit ORDER BY id")).all()
    assert [tuple(row) for row in found] == [
        ("acme", "gates.pause", "gates/tenant/acme", {"reason": "unpaid", "until": None}),
        ("acme", "gates.resume", "gates/tenant/acme", None),
        ("default", "gates.cap", "gates/source/warehouse", {"mostRunning": 2}),
        ("default", "gates.uncap", "gates/source/warehouse", None),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        ["pause", "tenant", "acme"],
        ["pause", "queue", "x", "--reason", "y"],
        ["pause", "tenant", "acme", "--reason", " "],
        ["pause", "tenant", "acme", "--reason", "x", "--hours", "0"],
        ["cap", "tenant", "acme", "--running", "0"],
        ["cap", "tenant", "acme", "--running", "1001"],
        ["resume", "tenant", "\x07"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_changes_nothing(conn: Connection, wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["gates", *wrong])

    assert ended.value.code == 2
    assert (pauses.pauses(conn), caps.caps(conn)) == ([], [])

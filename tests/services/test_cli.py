"""The operator's command, as used by authors and receivers of reports, and by operators."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.engine import Connection

from migrations import grants
from services.cli.__main__ import main, parser
from shared.access import api_keys, sign_in_codes
from shared.access.key_text import read_key
from shared.access.scopes import USUAL
from shared.catalog.asker import Asker
from shared.catalog.model import Catalog
from shared.catalog.python_report import inline_report_type
from tests.support.faults.plan import Fault, Hit, Plan
from tests.support.sqs.server import Door

TOML = """
title = "Numbers"
formats = ["csv", "xlsx", "pdf"]

[parameters.least]
type = "integer"
required = true
min = 3

[pdf.tables.total]
query = "SELECT count(*) AS rows, sum(n) AS total FROM report"

[pdf.charts.bars]
query = "SELECT n FROM report"
"""
CHART = '{"mark": "bar", "encoding": {"x": {"field": "n", "type": "quantitative"}}}'
QUERY = "SELECT n\n  FROM generate_series(1, 1000) AS n\n WHERE n >= :least\n ORDER BY n"

Check = Callable[..., tuple[int, str]]


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """One report type, `numbers`."""
    folder = tmp_path / "catalog" / "numbers"
    folder.mkdir(parents=True)
    (folder / "report.toml").write_text(TOML)
    (folder / "query.sql").write_text(QUERY)
    (folder / "bars.vl.json").write_text(CHART)
    return folder.parent


@pytest.fixture
def check(
    catalog: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """`todoke-server check` on the catalog: exit code and what it printed."""
    monkeypatch.setenv("REPORT_SOURCE_URL", database_url)

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["check", str(catalog), *arguments])
        shown = capsys.readouterr()
        return code, (shown.out + shown.err).replace(str(catalog) + "/", "")

    return run


def test_a_good_catalog_is_fine(check: Check) -> None:
    assert check() == (0, "numbers: fine\n")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("query.sql", QUERY.replace("SELECT n", "SELECT nn"), "numbers/query.sql:1: The report's query failed in"),
        ("query.sql", QUERY.replace("n >=", "m >="), "numbers/query.sql:3: The report's query failed in line 3"),
        ("report.toml", TOML.replace("sum(n)", "sum(m)"), "numbers/report.toml:11: xlsx, pdf: The query of 'total'"),
        ("report.toml", TOML.replace("title", "titel", 1), "numbers/report.toml:2: titel: is not a setting"),
        ("bars.vl.json", "{", "numbers/report.toml:13: pdf.charts.bars.spec: bars.vl.json is not a Vega-Lite"),
        ("bars.vl.json", '{"mark": 7}', "numbers/bars.vl.json:1: pdf: The chart bars.vl.json could not be drawn"),
        ("template.typ", "= Title\n\n#nope", "numbers/template.typ:3: pdf: The template template.typ in line 3"),
        ("template.typ", '#read("/etc/passwd")', "numbers/template.typ:1: pdf: The template"),
        ("template.typ", '#read("../../secret")', "numbers/template.typ:1: pdf: The template"),
        ("template.typ", '#import "@preview/cetz:0.3.0": *', "numbers/template.typ:1: asks for the package"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_line(
    name: str, content: str, told: str, catalog: Path, check: Check
) -> None:
    (catalog / "numbers" / name).write_text(content)

    code, shown = check()
    assert code == 1
    assert shown.startswith(told)


@pytest.mark.parametrize(
    ("toml", "query", "told"),
    [
        (TOML + '[columns.nn]\ntitle = "N"\n', QUERY,
         "numbers/report.toml:15: columns.nn: the query gives no such column"),
        (TOML + '[parameters.locale]\ntype = "choice"\nchoices = ["en", "ja"]\n'
         '[locales.ja.columns]\nm = "N"\n',
         QUERY, "locales.ja.columns.m: the query gives no such column"),
        (TOML + '[options]\nforbid = ["locale"]\n[locales.ja]\ntitle = "N"\n', QUERY,
         "numbers/report.toml:17: locales: nothing chooses a language: options.forbid has locale"),
        (TOML.replace("sum(n) AS total", "error('x') AS total"), QUERY, "The query of 'total' failed"),
        (TOML, QUERY.replace("SELECT n", "SELECT n, 1 / (n - 5) AS a"),
         "numbers/query.sql:1: The report's query failed: "),
    ],
)  # fmt: skip
def test_what_the_query_does_not_give_is_told_once(
    toml: str, query: str, told: str, catalog: Path, check: Check
) -> None:
    (catalog / "numbers" / "report.toml").write_text(toml)
    (catalog / "numbers" / "query.sql").write_text(query)

    code, shown = check()
    assert code == 1
    assert told in shown
    assert len(shown.splitlines()) == 1


def test_a_language_that_requests_choose_by_their_locale_is_fine(catalog: Path, check: Check) -> None:
    (catalog / "numbers" / "report.toml").write_text(TOML + '[locales.ja]\ntitle = "N"\n')

    assert check("--no-files") == (0, "numbers: fine\n")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (QUERY.replace(" ORDER BY n", ""), "note: no ORDER BY"),
        (QUERY.replace("SELECT n", "SELECT n, (SELECT 1 ORDER BY 1)").replace("\n ORDER BY n", ""),
         "note: no ORDER BY"),
        (QUERY.replace("SELECT n", "SELECT n, 1 + 1, 2 + 2"), "note: 2 column(s) have no name"),
        (QUERY.replace("SELECT n", "SELECT n, 1 AS a, 2 AS a"), "note: more than one column is called a"),
        (QUERY.replace("SELECT n", "SELECT n, " + ", ".join(f"1 AS c{n}" for n in range(20))),
         "note: 21 columns are many"),
    ],
)  # fmt: skip
def test_what_is_seldom_meant_is_noted(query: str, told: str, catalog: Path, check: Check) -> None:
    (catalog / "numbers" / "query.sql").write_text(query)

    code, shown = check("--no-files")
    assert (code, "numbers: fine" in shown, told in shown) == (0, True, True)


def test_a_day_without_rows_and_letters_without_a_font_are_told(catalog: Path, check: Check) -> None:
    total = "CASE WHEN count(*) = 0 THEN error('nothing') ELSE count(*) END AS total"
    toml = TOML.replace("sum(n) AS total", total).replace('title = "', 'title = "\u1200', 1)
    (catalog / "numbers" / "report.toml").write_text(toml)

    code, shown = check()
    assert code == 1
    assert "pdf of no rows: The query of 'total' failed" in shown
    assert "note: numbers.pdf: no font has 1 of its letters" in shown
    assert "U+1200 ETHIOPIC SYLLABLE HA" in shown


class Host(BaseModel):
    """The parameters of Ping."""

    host: str = "localhost"


class Ping:
    """Answers in the worker, from no source."""

    title: ClassVar[str] = "Ping"
    description: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    Parameters: ClassVar[type[BaseModel]] = Host

    def answer(self, parameters: Host, _asker: Asker) -> dict[str, object]:
        raise AssertionError(f"the check must not ask {parameters.host}")


def test_an_answer_is_not_tried_and_that_is_said(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    types = {"ping": inline_report_type("ping", Ping())}
    monkeypatch.setattr("services.cli.check.load_catalog", lambda _: Catalog(types, default="ping"))

    assert check() == (0, "ping: its parameters are fine; an answer is made in the worker only, and was not tried\n")
    code, shown = check("--set", "host=[1]")
    assert (code, "parameters.host: input should be a valid string" in shown) == (1, True)


def test_plans_only(catalog: Path, check: Check) -> None:
    (catalog / "numbers" / "template.typ").write_text("#nope")

    assert check("--no-files")[0] == 0


def test_parameters_can_be_given(check: Check) -> None:
    code, shown = check("--set", "least=1")
    assert code == 1
    assert "least: must be 3 or more, not 1: pass --set least=VALUE\n" in shown
    assert check("--set", "least=5", "--report", "numbers")[0] == 0
    assert "did you mean 'numbers'?" in check("--report", "number")[1]


def test_a_source_that_is_away_or_not_named_is_told(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_SOURCE_URL", "postgresql://127.0.0.1:1/none")
    assert check()[1].startswith("numbers/report.toml:1: The report's data source did not answer")
    monkeypatch.delenv("REPORT_SOURCE_URL")
    assert "no URL for it is set. Set REPORT_SOURCE_URL" in check()[1]


def test_the_role_that_queries_run_as_is_told_when_nobody_chose_it(
    check: Check, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPORT_SOURCE_URL")
    monkeypatch.setenv("DATABASE_URL", database_url)

    assert check("--no-files") == (
        0, "numbers: fine\ncheck: without REPORT_SOURCE_URL, queries run as the role of DATABASE_URL\n",
    )  # fmt: skip


def test_a_report_type_in_place_of_its_catalog_is_told(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(catalog / "numbers")]) == 2
    assert capsys.readouterr().err.endswith(f"name the folder that holds it, {catalog}\n")


def test_a_misspelt_parameter_is_told(check: Check) -> None:
    assert check("--set", "leest=5") == (
        2, "todoke-server check: --set leest=…: no report type has such a parameter; did you mean 'least'?\n",
    )  # fmt: skip


def test_a_key_that_was_printed_once_opens_its_tenants_door_until_it_is_revoked(
    database_url: str, conn: Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    of_acme = ["--tenant", "acme", "--name", "ci"]

    assert main(["keys", "create", *of_acme]) == 0
    key = capsys.readouterr().out.removesuffix("\n")
    assert key.startswith("todoke_live_")
    assert api_keys.owner_of(conn, read_key(key)) == api_keys.Owner("acme", "ci", USUAL)

    assert main(["keys", "create", *of_acme, "--scopes", "jobs:read,payroll:read", "--days", "2"]) == 0
    narrow = read_key(capsys.readouterr().out.removesuffix("\n"))
    owner = api_keys.owner_of(conn, narrow)
    assert owner is not None
    assert owner == ("acme", "ci", frozenset({"jobs:read", "payroll:read"}), owner.expires_at)
    asked = "SELECT extract(epoch FROM expires_at - now()) / 86400 FROM api_keys WHERE expires_at > now()"
    left = conn.exec_driver_sql(asked)
    assert 1.99 < left.scalar_one() <= 2

    assert main(["keys", "list", "--tenant", "acme"]) == 0
    listed = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(name, state[:11], used, scopes) for _, name, state, used, scopes in listed] == [
        ("ci", "works until", "never used", "jobs:read,payroll:read"),
        ("ci", "works", "never used", ",".join(sorted(USUAL))),
    ]  # fmt: skip
    assert main(["keys", "rotate", "--tenant", "acme", "--id", listed[0][0], "--overlap-hours", "0"]) == 0
    next_key = read_key(capsys.readouterr().out.removesuffix("\n"))
    assert api_keys.owner_of(conn, narrow) is None
    following = api_keys.owner_of(conn, next_key)
    assert following is not None
    assert following.scopes == {"jobs:read", "payroll:read"}
    for gone in (listed[0][0], "unknown"):
        assert main(["keys", "rotate", "--tenant", "acme", "--id", gone]) == 1
        assert "has no key" in capsys.readouterr().err
    assert main(["keys", "rotate", "--tenant", "globex", "--id", next_key.id]) == 1
    assert main(["keys", "revoke", "--tenant", "acme", "--id", next_key.id]) == 0
    assert api_keys.owner_of(conn, next_key) is None
    capsys.readouterr()

    assert main(["keys", "revoke", *of_acme]) == 0
    assert api_keys.owner_of(conn, read_key(key)) is None
    assert main(["keys", "revoke", *of_acme]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "2 key(s) revoked"
    assert "acme has no key to revoke that is named 'ci': `keys list`" in second
    actions = conn.exec_driver_sql("SELECT action, subject FROM audit ORDER BY id").all()
    assert [tuple(a) for a in actions] == [
        (f"keys.{what}", "todoke-server") for what in ("create", "create", "rotate", "revoke", "revoke", "revoke")
    ]


def test_a_tenant_that_cannot_be_named_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["keys", "create", "--tenant", "a/b", "--name", "ci"])
    assert "a letter or digit first, 64 at most" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["keys", "create", "--tenant", "acme", "--name", "ci"], ["migrate", "current"]])
def test_an_environment_that_says_nothing_is_a_wrong_call(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)

    assert main(command) == 2
    assert re.match(rf"todoke-server {command[0]}: DATABASE_URL is not set", capsys.readouterr().err)


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The double on a socket, where the environment leads."""
    with Door() as door:
        for name, value in door.environment().items():
            monkeypatch.setenv(name, value)
        yield door


def test_queues_are_made_and_their_urls_printed(sqs: Door, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup-queues", "--name", "jobs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "queueUrl": sqs.queue_url("jobs"), "deadLetterUrl": sqs.queue_url("jobs-dlq"),
    }  # fmt: skip
    assert main(["setup-queues", "--name", "jobs"]) == 0
    assert f"\nexport SQS_QUEUE_URL={sqs.queue_url('jobs')}\n" in capsys.readouterr().out


def test_queues_that_cannot_be_made_are_told_with_the_remedy(
    sqs: Door, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sqs.faults = Plan({Hit("sqs CreateQueue", n): Fault.THROTTLED for n in (1, 2)})
    assert main(["setup-queues"]) == 1
    assert capsys.readouterr().err.startswith("todoke-server setup-queues: SQS refused: ")

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert main(["setup-queues"]) == 1
    assert capsys.readouterr().err.endswith("set AWS_ENDPOINT_URL_SQS\n")


def test_a_database_of_another_version_is_told(
    database_url: str, conn: Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    conn.commit()
    monkeypatch.setenv("DATABASE_URL", database_url)

    assert main(["migrate", "current"]) == 1
    assert "another version of Todoke has migrated this database" in capsys.readouterr().err


def test_every_service_that_has_a_role_can_be_granted_it() -> None:
    given = vars(parser().parse_args(["migrate", "grant"]))

    assert given.keys() - {"command", "action"} == set(grants.SERVICES)


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "a\nb"], ids=["empty", "spaces", "U+0000", "line break"])
def test_a_key_has_a_name_that_can_be_read(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["keys", "create", "--tenant", "acme", "--name", name])
    assert "--name: must be a name of 1 to 100 visible characters" in capsys.readouterr().err


def test_a_link_to_the_console_is_printed_for_the_newest_key_of_a_name_that_works(
    database_url: str, conn: Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for _ in range(2):
        key = read_key(api_keys.create_key(conn, tenant="acme", name="ann"))
    api_keys.revoke_key(conn, "acme", read_key(api_keys.create_key(conn, tenant="acme", name="ann")).id)
    before = datetime.now(UTC)

    assert main(["keys", "link", "--tenant", "acme", "--name", "ann", "--url", "https://reports.example/todoke/"]) == 0
    [link] = capsys.readouterr().out.splitlines()
    address, code = link.split("#code=")
    assert address == "https://reports.example/todoke/console/sign-in"
    stored = conn.exec_driver_sql("SELECT * FROM sign_in_codes").one()
    assert code not in str(stored)
    assert timedelta(minutes=9) < stored.expires_at - before < timedelta(minutes=11)
    holder = sign_in_codes.redeem(conn, sign_in_codes.read_code(code))
    assert holder is not None
    assert (holder.tenant, holder.name, holder.key_id) == ("acme", "ann", key.id)
    [entry] = conn.exec_driver_sql("SELECT subject, action, object FROM audit").all()
    assert tuple(entry) == ("todoke-server", "keys.link", f"keys/{key.id}")

    assert main(["keys", "link", "--tenant", "globex", "--id", key.id]) == 1
    assert "globex has no such key that works" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["keys", "link", "--tenant", "acme", "--name", "ann", "--url", "reports.example"])
    assert "must be an address such as" in capsys.readouterr().err
    assert conn.exec_driver_sql("SELECT count(*) FROM sign_in_codes").scalar_one() == 0

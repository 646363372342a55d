"""Two tenants, and two users of one of them, on one source: no file has a byte of another's rows."""

import itertools
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import pypdfium2
import pytest
from psycopg.conninfo import make_conninfo

from shared.catalog.asker import NOBODY, Asker
from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import Column, Format, ReportType
from shared.catalog.source_role import SourceRole
from shared.reports import first_rows
from shared.reports.interface import RenderedFile, RenderRequest, ReportError
from shared.reports.render import render_files
from tests.support.postgres import server

ANN, BEN, EVE = Asker("acme", "ann"), Asker("acme", "ben"), Asker("globex", "eve")
SECRETS = {ANN: "anns-own-row", BEN: "bens-own-row", EVE: "eves-own-row"}
BY_PARAMETERS = "SELECT note, 7 AS n FROM notes WHERE tenant = :tenant AND person = :requester ORDER BY 1"
BY_POLICY = "SELECT note, 7 AS n FROM guarded ORDER BY 1"
POLICY = """
    CREATE TABLE notes (tenant text, person text, note text);
    INSERT INTO notes VALUES ('acme', 'ann', 'anns-own-row'), ('acme', 'ben', 'bens-own-row'),
                             ('globex', 'eve', 'eves-own-row');
    CREATE TABLE guarded AS SELECT * FROM notes;
    ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON guarded USING (tenant = current_setting('todoke.tenant')
                                        AND person = current_setting('todoke.requester'));
    CREATE ROLE rows_reader LOGIN PASSWORD 'reader';
    GRANT SELECT ON notes, guarded TO rows_reader;
"""


@pytest.fixture(scope="module")
def source(postgres_server: server.Server) -> Iterator[str]:
    """A source with row-level security, and a reader that it holds for."""
    with server.database(postgres_server, template=None) as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(POLICY)
        yield make_conninfo(dsn, user="rows_reader", password="reader")
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("DROP OWNED BY rows_reader; DROP ROLE rows_reader")


def asked(query: str, asker: Asker, source: str, scratch: Path, *formats: Format) -> RenderRequest:
    report = ReportType("notes", "Notes", "", "1", "default", query, tuple(Format))
    folder = Path(mkdtemp(dir=scratch))
    return RenderRequest(report, {}, formats or tuple(Format), source, folder, asker=asker, preview=True)


def everything_in(files: Sequence[RenderedFile], folder: Path) -> str:
    """The text of all files, compressed or not, of the manifest and of the rows that are kept beside them."""
    texts = [(folder / "manifest.json").read_text(), (folder / first_rows.NAME).read_text()]
    for file in files:
        texts.append(file.path.read_bytes().decode("latin-1"))
        if file.format == "xlsx":
            with zipfile.ZipFile(file.path) as book:
                texts += [book.read(name).decode() for name in book.namelist()]
        elif file.format == "pdf":
            texts += [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(file.path)]
        elif file.format == "parquet":
            import duckdb

            texts.append(repr(duckdb.execute("SELECT * FROM read_parquet(?)", [str(file.path)]).fetchall()))
    return "\n".join(texts)


@pytest.mark.parametrize("query", [BY_PARAMETERS, BY_POLICY], ids=["by parameters", "by row-level security"])
def test_every_format_has_the_askers_rows_and_nobody_elses(query: str, source: str, scratch: Path) -> None:
    for asker, own in SECRETS.items():
        request = asked(query, asker, source, scratch)
        files = render_files(request, lambda _: None)
        found = everything_in(files, request.scratch)
        assert [f.rows for f in files] == [1] * len(Format)
        assert found.count(own) >= len(Format)
        assert not [other for other in SECRETS.values() if other != own and other in found]
        told = json.loads((request.scratch / "manifest.json").read_text())["manifest"]
        assert (told["tenant"], told["requester"]) == (asker.tenant, asker.requester)


@pytest.mark.parametrize("query", [BY_PARAMETERS, BY_POLICY], ids=["by parameters", "by row-level security"])
def test_an_extract_that_was_kept_serves_no_other_asker(query: str, source: str, scratch: Path) -> None:
    kept = scratch / "kept"
    for asker, own in SECRETS.items():  # each finds what the one before has left
        request = replace(asked(query, asker, source, scratch, Format.JSONL), keep=kept)
        files = render_files(request, lambda _: None)
        assert files[0].path.read_text() == json.dumps({"note": own, "n": 7}, separators=(",", ":")) + "\n"


@pytest.mark.parametrize("query", [BY_PARAMETERS, BY_POLICY], ids=["by parameters", "by row-level security"])
def test_nobody_gets_no_rows(query: str, source: str, scratch: Path) -> None:
    [file] = render_files(asked(query, NOBODY, source, scratch, Format.CSV), lambda _: None)
    assert file.rows == 0


@pytest.mark.parametrize("name", ["todoke.tenant", "todoke.requester"])
def test_a_query_that_makes_itself_another_fails(name: str, source: str, scratch: Path) -> None:
    query = f"SELECT set_config('{name}', 'globex', true) AS who"
    for formats in ((Format.CSV,), (Format.JSONL,)):
        with pytest.raises(ReportError, match=name) as told:
            render_files(asked(query, ANN, source, scratch, *formats), lambda _: None)
        assert not told.value.retryable


def test_files_have_the_columns_whose_scopes_the_asker_has(source: str, scratch: Path) -> None:
    columns = {
        "salary": Column("salary", "Salary", required_scope="payroll:read"),
        "ratio": Column("ratio", "Ratio", required_scope="ratio:read"),
    }
    query = "SELECT 'ann' AS who, 424242 AS salary, 0.77777 AS half, 5.55555::float8 AS ratio, 1 AS last"
    for scopes in itertools.chain.from_iterable(
        itertools.combinations(["payroll:read", "ratio:read"], n) for n in range(3)
    ):
        for formats in ((Format.CSV,), tuple(Format)):
            request = asked(query, Asker("acme", "ann", frozenset(scopes)), source, scratch, *formats)
            request = replace(request, report=replace(request.report, columns=columns))
            found = everything_in(render_files(request, lambda _: None), request.scratch)
            assert ("424242" in found or "424,242" in found) == ("payroll:read" in scopes), (scopes, formats)
            assert ("5.55555" in found) == ("ratio:read" in scopes), (scopes, formats)
            told = json.loads((request.scratch / "manifest.json").read_text())["manifest"]["columnsLeftOut"]
            assert told == sorted(n for n, c in columns.items() if c.required_scope not in scopes)


def test_a_scoped_column_that_the_query_calls_otherwise_is_shown_to_nobody(source: str, scratch: Path) -> None:
    request = asked("SELECT 424242 AS pay", ANN, source, scratch, Format.CSV)
    columns = {"salary": Column("salary", "Salary", required_scope="payroll:read")}
    with pytest.raises(ReportError, match="'salary', for which report"):
        render_files(replace(request, report=replace(request.report, columns=columns)), lambda _: None)


def test_files_as_a_source_know_the_asker(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "notes.csv").write_text("tenant,person,note\nacme,ann,anns-own-row\nglobex,eve,eves-own-row\n")
    query = "SELECT note FROM 'notes.csv' WHERE tenant = :tenant AND person = :requester"
    for asker, rows in ((ANN, 1), (BEN, 0), (EVE, 1), (NOBODY, 0)):
        [file] = render_files(asked(query, asker, tmp_path.as_uri(), scratch, Format.CSV), lambda _: None)
        assert file.rows == rows


ROLES = """
    CREATE TABLE notes (tenant text, note text);
    INSERT INTO notes VALUES ('acme', 'acmes-own-row'), ('globex', 'globexs-own-row');
    ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
    CREATE ROLE rows_of_acme NOLOGIN; CREATE ROLE "rows of O'Globex" NOLOGIN; CREATE ROLE rows_of_locked NOLOGIN;
    CREATE ROLE roles_reader LOGIN PASSWORD 'reader';
    GRANT rows_of_acme, "rows of O'Globex" TO roles_reader;
    GRANT SELECT ON notes TO rows_of_acme, "rows of O'Globex", rows_of_locked;
    CREATE POLICY acme ON notes TO rows_of_acme USING (tenant = 'acme');
    CREATE POLICY globex ON notes TO "rows of O'Globex" USING (tenant = 'globex');
"""
_MADE = 'rows_of_acme, "rows of O\'Globex", rows_of_locked, roles_reader'
BY_NAME = SourceRole(pattern="rows_of_{tenant}")
BY_LIST = SourceRole(by_tenant={"acme": "rows_of_acme", "globex": "rows of O'Globex", "void": "rows_of_nobody"})


@pytest.fixture(scope="module")
def by_role(postgres_server: server.Server) -> Iterator[str]:
    """A source whose user sees nothing; each tenant's role sees the tenant's rows."""
    with server.database(postgres_server, template=None) as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(ROLES)
        yield make_conninfo(dsn, user="roles_reader", password="reader")
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(f"DROP OWNED BY {_MADE}".encode())
            conn.execute(f"DROP ROLE {_MADE}".encode())


def as_role(query: str, tenant: str, role: SourceRole, dsn: str, scratch: Path, *formats: Format) -> RenderRequest:
    request = asked(query, Asker(tenant, "ann"), dsn, scratch, *formats)
    return replace(request, report=replace(request.report, role=role))


def test_every_format_has_the_rows_of_the_tenants_role(by_role: str, scratch: Path) -> None:
    for tenant, role in (("acme", BY_NAME), ("acme", BY_LIST), ("globex", BY_LIST)):
        request = as_role("SELECT note, 7 AS n FROM notes ORDER BY 1", tenant, role, by_role, scratch)
        found = everything_in(render_files(request, lambda _: None), request.scratch)
        assert found.count(f"{tenant}s-own-row") >= len(Format)
        assert ("acmes-own-row" in found, "globexs-own-row" in found) == (tenant == "acme", tenant == "globex")


@pytest.mark.parametrize(
    ("tenant", "role", "told"),
    [
        ("globex", BY_NAME, 'role "rows_of_globex" does not exist'),
        ("locked", BY_NAME, 'permission denied to set role "rows_of_locked"'),
        ("void", BY_LIST, 'role "rows_of_nobody" does not exist'),
        ("initech", BY_LIST, "names none for it"),
        ("x" * 64, BY_NAME, "names none for it"),
        ('acme"; RESET ROLE; --', BY_NAME, "does not exist"),
        ("none", SourceRole(pattern="{tenant}"), "names none for it"),
    ],
)
def test_a_tenant_without_its_role_gets_an_error_and_no_rows(
    tenant: str, role: SourceRole, told: str, by_role: str, scratch: Path
) -> None:
    request = as_role("SELECT current_user AS who", tenant, role, by_role, scratch, Format.CSV)
    with pytest.raises(ReportError, match=re.escape(told)) as refused:
        render_files(request, lambda _: None)
    assert (refused.value.code, refused.value.retryable) == ("source_role_refused", False)


def test_a_query_that_takes_another_role_fails(by_role: str, scratch: Path) -> None:
    query = "SELECT set_config('role', 'none', true) AS who"
    for formats in ((Format.CSV,), (Format.JSONL,)):
        with pytest.raises(ReportError, match="changed the session's role to 'none'"):
            render_files(as_role(query, "acme", BY_NAME, by_role, scratch, *formats), lambda _: None)


def test_a_source_without_roles_gives_no_rows_to_who_needs_one(tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "notes.csv").write_text("note\nacmes-own-row\n")
    request = as_role("SELECT note FROM 'notes.csv'", "acme", BY_NAME, tmp_path.as_uri(), scratch, Format.CSV)
    with pytest.raises(ReportError, match="only PostgreSQL sources have roles"):
        render_files(request, lambda _: None)


def test_an_extract_of_one_role_serves_no_other(by_role: str, scratch: Path) -> None:
    kept = scratch / "kept"
    for role, own in ((BY_NAME, "acmes"), (SourceRole(by_tenant={"acme": "rows of O'Globex"}), "globexs")):
        request = as_role("SELECT note FROM notes", "acme", role, by_role, scratch, Format.JSONL)
        [file] = render_files(replace(request, keep=kept), lambda _: None)
        assert f"{own}-own-row" in file.path.read_text()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('role = "readers"', "must have {tenant} in it once"),
        ('role = "{tenant}_{tenant}"', "must have {tenant} in it once"),
        ('role = "{tenant}_{requester}"', "must have {tenant} in it once"),
        ("role = 7", "must be a text"),
        ("role = {}", "must be a text"),
        ('role = {"a/b" = "x"}', "cannot name a tenant"),
        ('role = {acme = "public"}', "not none or public"),
        (f'role = {{acme = "{"x" * 64}"}}', "1 to 63 bytes"),
    ],
)
def test_what_is_wrong_with_a_role_is_told_with_its_line(tmp_path: Path, written: str, told: str) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "report.toml").write_text(f'title = "Notes"\n{written}\n')
    (folder / "query.sql").write_text("SELECT 1 AS n ORDER BY 1")
    with pytest.raises(CatalogError, match=re.escape(told)) as wrong:
        load_catalog(tmp_path)
    assert "report.toml:2" in str(wrong.value)

"""A catalog is either read completely or refused with every problem, each with its file and line."""

from pathlib import Path

import pytest

from shared.catalog.load import BUILTIN, CatalogError, load_catalog
from shared.catalog.model import Column, Format, Limits
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import validate_parameters
from shared.catalog.toml import line_of
from tests.unit.catalog.builders import write_report

MINIMAL = 'title = "A report"\n'


def problems(catalog: Path, **options: str) -> list[str]:
    with pytest.raises(CatalogError) as refused:
        load_catalog(catalog, **options)
    return [problem.removeprefix(f"{catalog}").lstrip("/") for problem in str(refused.value).split("\n")]


def test_a_full_report_type_is_read_as_written(tmp_path: Path) -> None:
    folder = write_report(
        tmp_path,
        """
        title = "Orders"
        description = "All of them."
        version = "7"
        formats = ["xlsx"]
        source = "sales"

        [parameters.from]
        type = "date"
        title = "First day"
        default = 2026-01-01
        min = "2020-01-01"

        [parameters.least]
        type = "decimal"
        default = 0.10
        max = 1e2

        [parameters.tags]
        type = "list"
        items = "choice"
        choices = ["a", "b"]
        min = 1
        default = ["b"]

        [columns.order_day]
        unit = "UTC"
        format = "yyyy-mm-dd"
        width = 12

        [limits]
        timeout_s = 1.5
        max_rows = 10
        """,
        "SELECT :from, :least, :tags -- :not_one",
    )
    catalog = load_catalog(tmp_path)
    report = catalog.types["a-report"]
    assert (report.title, report.description, report.version, report.source) == ("Orders", "All of them.", "7", "sales")
    assert report.formats == (Format.XLSX,)
    assert report.parameters == (
        Parameter("from", ParameterKind.DATE, "First day", default="2026-01-01", minimum="2020-01-01"),
        Parameter("least", ParameterKind.DECIMAL, "Least", default="0.10", maximum="100"),
        Parameter(
            "tags", ParameterKind.LIST, "Tags", default=["b"], minimum=1, choices=("a", "b"), items=ParameterKind.CHOICE
        ),
    )
    assert report.columns == {"order_day": Column("order_day", "Order day", "UTC", "yyyy-mm-dd", 12)}
    assert report.limits == Limits(timeout_s=1.5, max_rows=10)
    assert report.folder == folder
    assert catalog.default == "a-report"


@pytest.mark.parametrize(
    ("toml", "line", "about"),
    [
        ("title = ", 1, "is not TOML"),
        ('title = "A"\n\nformats = [', 3, "is not TOML"),
        ('titel = "A"', 1, "titel: is not a setting; did you mean 'title'?"),
        ("title = 5", 1, 'must be a string: write title = "…"'),
        ("", 1, "title: is missing"),
        (MINIMAL + 'formats = ["cvs"]', 2, "'cvs' is not a format; did you mean 'csv'?"),
        (MINIMAL + "formats = []", 2, "must be a list of strings"),
        (MINIMAL + 'formats = ["csv", "csv"]', 2, "names something twice"),
        (MINIMAL + 'source = "My DB"', 2, "cannot name a data source"),
        (MINIMAL + "parameters = 3", 2, "must be a table: write [parameters]"),
        (MINIMAL + "[parameters]\nq = 3", 3, "must be a table: write [parameters.q]"),
        (MINIMAL + "[parameters.q]\ntype = 'dat'", 3, "'dat' is not a type; did you mean 'date'?"),
        (MINIMAL + "[parameters.q]\ntitle = 'x'", 2, "parameters.q.type: is missing"),
        (MINIMAL + "[parameters.q]\ntype = 'date'\ndefualt = 2026-01-01", 4, "did you mean 'default'?"),
        (MINIMAL + "[parameters.q]\ntype = 'date'\ndefault = 2026-01-01T00:00:00", 4, "must be a date"),
        (MINIMAL + "[parameters.q]\ntype = 'datetime'\ndefault = 2026-01-01T00:00:00", 4, "must say its offset"),
        (MINIMAL + "[parameters.q]\ntype = 'date'\nmin = 2026-01-02\ndefault = 2026-01-01", 5, "2026-01-02 or more"),
        (MINIMAL + "[parameters.q]\ntype = 'date'\nmin = 5", 4, "must be a date"),
        (MINIMAL + "[parameters.q]\ntype = 'integer'\nmin = 2\nmax = 1", 4, "is above max"),
        (MINIMAL + "[parameters.q]\ntype = 'string'\nmin = -1", 4, "must be a whole number from 0"),
        (MINIMAL + "[parameters.q]\ntype = 'string'\npattern = '('", 4, "is not a regular expression"),
        (MINIMAL + "[parameters.q]\ntype = 'string'\npattern = '(?i)a'", 4, "JSON Schema does not know"),
        (MINIMAL + "[parameters.q]\ntype = 'boolean'\nmin = 1", 4, "means nothing for a boolean"),
        (MINIMAL + "[parameters.q]\ntype = 'choice'", 2, "has no choices"),
        (MINIMAL + "[parameters.q]\ntype = 'choice'\nchoices = ['a', 'a']", 4, "names something twice"),
        (MINIMAL + "[parameters.q]\ntype = 'choice'\nchoices = [\"a\\u0000\"]", 4, "U+0000"),
        (MINIMAL + "[parameters.q]\ntype = 'choice'\nchoices = ['a']\ndefault = 'b'", 5, "is not one of the choices"),
        (MINIMAL + "[parameters.q]\ntype = 'list'", 2, "items: is missing"),
        (MINIMAL + "[parameters.q]\ntype = 'list'\nitems = 'list'", 4, "'list' is not a type"),
        (MINIMAL + "[parameters.q]\ntype = 'list'\nitems = 'date'\npattern = 'a'", 5, "nothing for a list of date"),
        (MINIMAL + "[parameters.q]\ntype = 'list'\nitems = 'date'\ndefault = [1]", 5, "default: [0] must be a date"),
        (MINIMAL + "[parameters.q]\ntype = 'string'\nrequired = true\ndefault = 'a'", 5, "remove one of the two"),
        (MINIMAL + "[parameters.q]\ntype = 'string'\nrequired = 'yes'", 4, "must be true or false"),
        (MINIMAL + "[columns.a]\nwidht = 4", 3, "did you mean 'width'?"),
        (MINIMAL + "[columns.a]\nwidth = 256", 3, "must be a number from 1 to 255"),
        (MINIMAL + "[columns.a]\nwidth = nan", 3, "must be a number from 1 to 255"),
        (MINIMAL + "[limits]\ntimeout_s = inf", 3, "must be a number from 1 to 86400"),
        (MINIMAL + "[limits]\nmax_rows = 0", 3, "must be a whole number from 1"),
        (MINIMAL + "[limits]\nmax_attempts = true", 3, "must be a whole number from 1 to 20"),
        (MINIMAL + "[limits]\ntimeout = 5", 3, "did you mean 'timeout_s'?"),
    ],
)
def test_each_mistake_in_report_toml_names_its_line(tmp_path: Path, toml: str, line: int, about: str) -> None:
    write_report(tmp_path, toml, "SELECT :q" if "[parameters" in toml else "SELECT 1")
    found = problems(tmp_path)
    assert len(found) <= 2, "one mistake must not be told at length"
    assert any(problem.startswith(f"a-report/report.toml:{line}: ") and about in problem for problem in found)


def test_all_problems_of_all_folders_come_at_once(tmp_path: Path) -> None:
    write_report(tmp_path, "titel = 'x'\n[parameters.from]\ntype = 'date'\n", "SELECT 1,\n :form", name="one")
    write_report(tmp_path, MINIMAL, "DROP TABLE x; SELECT 1", name="two")
    (tmp_path / "three").mkdir()
    write_report(tmp_path, MINIMAL, name="Four")
    found = problems(tmp_path)
    assert [problem.split(": ")[0] for problem in found] == [
        "Four",
        "one/report.toml:1",
        "one/report.toml:1",
        "one/query.sql:2",
        "one/report.toml:2",
        "three/report.toml:1",
        "three/query.sql:1",
        "two/query.sql:1",
        "two/query.sql:1",
    ]
    assert "':form is not declared: add [parameters.form]" in f"'{found[3].split(': ', 1)[1]}"
    assert "did you mean 'from'?" in found[3]


def test_files_that_are_not_utf8_are_named_with_the_line(tmp_path: Path) -> None:
    folder = write_report(tmp_path, MINIMAL)
    (folder / "query.sql").write_bytes(b"SELECT 1,\n'\xe9'")
    assert problems(tmp_path) == ["a-report/query.sql:2: is not UTF-8: save it as UTF-8"]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    folder = write_report(tmp_path, MINIMAL)
    (folder / "report.toml").write_bytes(b"\xef\xbb\xbftitle = 'A'\r\n[limits]\r\nmax_rows = 5\r\n")
    (folder / "query.sql").write_bytes(b"\xef\xbb\xbf-- x\r\nSELECT 1;\r\n")
    assert load_catalog(tmp_path).types["a-report"].limits.max_rows == 5


def test_a_catalog_without_report_types_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "README.md").write_text("not a folder")
    assert "contains no report type" in problems(tmp_path)[0]
    assert "is not a folder: CATALOG_PATH must name" in problems(tmp_path / "absent")[0]


def test_the_default_is_the_argument_then_catalog_toml_then_the_first(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write_report(tmp_path, MINIMAL, name=name)
    assert load_catalog(tmp_path).default == "a"
    (tmp_path / "catalog.toml").write_text('default = "b"')
    assert load_catalog(tmp_path).default == "b"
    assert load_catalog(tmp_path, default="c").default == "c"


def test_a_default_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    write_report(tmp_path, MINIMAL, name="orders")
    assert "did you mean 'orders'?" in problems(tmp_path, default="order")[0]
    (tmp_path / "catalog.toml").write_text('\ndefault = "order"\ndefalt = 1')
    assert problems(tmp_path) == [
        "catalog.toml:3: defalt: is not a setting; did you mean 'default'?",
        "catalog.toml:2: default: 'order' is not a report type; did you mean 'orders'?",
    ]
    (tmp_path / "catalog.toml").write_text("default")
    assert problems(tmp_path)[0].startswith("catalog.toml:1: is not TOML")


def test_the_version_changes_with_any_file_of_the_folder_and_nothing_else(tmp_path: Path) -> None:
    folder = write_report(tmp_path, MINIMAL)

    def version() -> str:
        return load_catalog(tmp_path).types["a-report"].version

    first = version()
    assert len(first) == 12
    (folder / ".query.sql.swp").write_text("an editor's")
    assert version() == first
    (folder / "query.sql").write_text("SELECT 2")
    second = version()
    (folder / "template.typ").write_text("= Title")
    assert len({first, second, version()}) == 3


def test_the_built_in_report_runs_on_an_empty_request() -> None:
    catalog = load_catalog(BUILTIN)
    assert catalog.default is not None
    assert None not in validate_parameters(catalog.types[catalog.default], {}).values()


def test_lines_are_found_through_tables_dots_quotes_and_comments() -> None:
    text = '''a = """
[parameters.from]
type = 1
"""
[parameters.from] # the first
"type" = 'date'
[parameters]
to.type = "date"
list = { type = "list" }
[ limits ]
max_rows = 5
'''
    assert line_of(text, "parameters", "from") == 5
    assert line_of(text, "parameters", "from", "type") == 6
    assert line_of(text, "parameters", "from", "absent") == 5
    assert line_of(text, "parameters", "to", "type") == 8
    assert line_of(text, "parameters", "list", "type") == 9
    assert line_of(text, "limits", "max_rows") == 11
    assert line_of(text, "absent") == 1


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('title = "a\\u000Bb"', "title: has the control character U+000B"),
        ('title = "a\\u0000b"', "U+0000"),
        ('title = "t"\ndescription = "\\uFFFE"', "description: has the control character U+FFFE"),
        ('title = "t"\n[columns.a]\nunit = "\\u001b"', "columns.a.unit: has the control character"),
        ('title = "t"\n[columns.a]\nformat = "0\\u0001"', "columns.a.format: has the control character"),
        ('title = "t"\n[columns.a]\nformat = \'"open\'', "never closed"),
        ('title = "t"\n[columns.a]\nformat = "[Foo]0"', "[Foo]"),
        ('title = "t"\n[columns.a]\nformat = "0.00E+00"', "HTML and PDF cannot show powers of ten"),
        ('title = "t"\nformats = ["csv"]\n[pdf.figures]\nquery = "SELECT 1"\n[pdf.figures.columns.a]\nformat = "@"',
         "HTML and PDF cannot show the place of a text"),
        ('title = "t"\n[parameters.p]\ntype = "string"\npattern = "a(?=b)"', "pattern: has the look-ahead (?=…)"),
    ],
)  # fmt: skip
def test_what_would_break_a_file_or_a_worker_is_refused_at_load(toml: str, told: str, tmp_path: Path) -> None:
    write_report(tmp_path, toml, "SELECT 1 AS a, :p" if "parameters" in toml else "SELECT 1 AS a")

    assert told in "\n".join(problems(tmp_path))


@pytest.mark.parametrize("number_format", ["0.00E+00", "[h]:mm", "# ?/?", "General"])
def test_a_format_for_spreadsheets_is_fine_without_documents(number_format: str, tmp_path: Path) -> None:
    write_report(tmp_path, f'title = "t"\nformats = ["xlsx", "csv"]\n[columns.a]\nformat = "{number_format}"\n')

    assert load_catalog(tmp_path).types["a-report"].columns["a"].number_format == number_format


@pytest.mark.parametrize("name", ["query.sql", "report.toml", "template.typ", "parts", "a/secret"])
def test_a_link_that_leads_out_of_the_catalog_is_refused_by_name(name: str, tmp_path: Path) -> None:
    catalog, outside = tmp_path / "catalog", tmp_path / "outside"
    (outside / "parts").mkdir(parents=True)
    folder = write_report(catalog, MINIMAL, "SELECT 1 AS a")
    (folder / "a").mkdir()
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside / "parts")

    [problem] = problems(catalog)
    assert problem.startswith(f"{(folder / name).relative_to(catalog)}: leads out of")


def test_a_report_type_that_is_a_link_out_of_the_catalog_or_in_a_circle_is_refused(tmp_path: Path) -> None:
    elsewhere = write_report(tmp_path / "elsewhere", MINIMAL, "SELECT 1 AS a")
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    (catalog / "led-out").symlink_to(elsewhere)
    (catalog / "circle").symlink_to("circle")

    assert [problem.split(":")[0] for problem in problems(catalog)] == ["circle", "led-out"]


def test_links_inside_the_catalog_are_fine_as_a_configmap_has_them(tmp_path: Path) -> None:
    """`..data` leads to the folder of the day, each file through `..data`, and the catalog itself may be a link."""
    written = write_report(tmp_path / "written", MINIMAL, "SELECT 1 AS a")
    catalog = tmp_path / "volume"
    day = catalog / "daily" / "..2026_11_28"
    day.mkdir(parents=True)
    (catalog / "daily" / "..data").symlink_to(day.name)
    for file in written.iterdir():
        (day / file.name).write_text(file.read_text())
        (catalog / "daily" / file.name).symlink_to(f"..data/{file.name}")
    (catalog / "weekly").symlink_to("daily")
    (tmp_path / "catalog").symlink_to(catalog)

    assert set(load_catalog(tmp_path / "catalog").types) >= {"daily", "weekly"}


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ('#import "@preview/cetz:0.2.0": canvas', "@preview/cetz:0.2.0"),
        ('= Title\n#let p = "@local/ours:1.0.0"\n#import p', "@local/ours:1.0.0"),
        ('// #import "@preview/cetz:0.2.0"', ""),
        ('see #link("https://typst.app/universe")[@preview] or "mail@preview/x"', ""),
    ],
)
def test_a_template_that_asks_for_a_package_is_refused_by_name(template: str, found: str, tmp_path: Path) -> None:
    folder = write_report(tmp_path, MINIMAL, "SELECT 1 AS a")
    (folder / "template.typ").write_text(template)
    if not found:
        assert load_catalog(tmp_path).types
        return
    [problem] = problems(tmp_path)
    line = 1 + template.partition(found)[0].count("\n")
    assert problem.startswith(f"{folder.name}/template.typ:{line}: asks for the package {found}, and none is fetched")

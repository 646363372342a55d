"""The console's texts: complete in every language, with one for each key of a page."""

import ast
import hashlib
import json
import re
from pathlib import Path
from string import Formatter

import pytest
from jinja2 import nodes

from services.api.console import page
from services.api.console.fields import as_entered, entered, parameters_of
from services.api.console.page import STATIC
from services.api.console.texts import LANGUAGES, Texts, chosen, texts
from services.api.console.visit import Form
from services.api.http.problem_codes import PROBLEMS
from shared.access.scopes import OWN
from shared.catalog.load import load_catalog
from shared.failures import FailureCode
from shared.reports.warnings import WarningCode

TEMPLATES = Path(STATIC).parent / "templates"


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def forms(found: Texts, key: str) -> list[str]:
    text = found.by_key[key]
    return [text] if isinstance(text, str) else list(text.values())


def test_every_language_has_every_text_with_the_same_values() -> None:
    first, *others = (texts(language) for language in LANGUAGES)
    for other in others:
        assert set(other.by_key) == set(first.by_key)
        # English has the API's own words there.
        for key in (one for one in first.by_key if not one.startswith("violation_of.")):
            expected = set().union(*(names(form) for form in forms(first, key))) - {"count"}
            for form in forms(other, key):
                assert names(form) - {"count"} == expected, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_key_that_a_template_names_has_a_text(language: str) -> None:
    known = texts(language)
    for template in TEMPLATES.iterdir():
        for key in re.findall(r"""\bt\(["']([a-z_.A-Z]+)["'][,)]""", template.read_text()):
            assert known.has(key), (template.name, key)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_problem_that_a_page_may_show_has_a_title(language: str) -> None:
    told_by_no_page = {
        "malformed_json", "malformed_request", "request_timeout", "unsupported_media_type", "range_not_satisfiable",
        "header_too_large",
    }  # fmt: skip
    codes = {code for _, some, _ in PROBLEMS for code in some} - told_by_no_page

    assert {code for code in codes if not texts(language).has(f"problem.{code}")} == set()


def test_widths_at_which_pages_change_are_counted_in_letters() -> None:
    """Who has set larger letters needs the layout of a narrow window."""
    found = "".join(path.read_text() for path in [*STATIC.glob("*.css"), *STATIC.glob("[a-l]*.js")])

    assert re.findall(r"(?:min|max)-width: [0-9.]+px\)", found) == []
    assert "(max-width: 40em)" in found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_scope_of_ours_is_told_in_words(language: str) -> None:
    """Whoever makes a key chooses among them."""
    assert {scope.replace(":", "_") for scope in OWN} == {
        key.removeprefix("scope.") for key in texts(language).by_key if key.startswith("scope.")
    }


def parsed() -> dict[str, nodes.Template]:
    """Every template as Jinja understands it."""
    return {each.name: page._environment().parse(each.read_text()) for each in TEMPLATES.iterdir()}


def test_every_macro_that_a_template_imports_is_there() -> None:
    """Jinja finds out when the page is opened."""
    found = parsed()
    macros = {name: {each.name for each in of.find_all(nodes.Macro)} for name, of in found.items()}
    imports = [
        (name, each.template.value, one if isinstance(one, str) else one[0])
        for name, of in found.items()
        for each in of.find_all(nodes.FromImport)
        if isinstance(each.template, nodes.Const)
        for one in each.names
    ]

    assert len(imports) > 100
    assert [each for each in imports if each[2] not in macros[each[1]]] == []


def test_every_macro_that_a_template_uses_is_imported() -> None:
    """A name that some template gives a macro, and that this one neither makes nor imports, is a forgotten import."""
    found = parsed()
    own = {name: {each.name for each in of.find_all(nodes.Macro)} for name, of in found.items()}
    macros, forgotten = set().union(*own.values()), {}
    for name, of in found.items():
        imported = {
            one if isinstance(one, str) else one[1] for each in of.find_all(nodes.FromImport) for one in each.names
        }
        called = {each.node.name for each in of.find_all(nodes.Call) if isinstance(each.node, nodes.Name)}
        forgotten[name] = called & macros - imported - own[name]

    assert len(macros) > 20
    assert {name: names for name, names in forgotten.items() if names} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_fails_and_whatever_is_foreseen_is_said_in_every_language(language: str) -> None:
    estimates = (STATIC.parents[1] / "actions" / "estimates.py").read_text()
    foreseen = {*re.findall(r'Warned\(\s*"([a-z_]+)"', estimates), *WarningCode}
    told = {f"failure.{code}" for code in FailureCode} | {f"warning.{code}" for code in foreseen}

    assert len(foreseen) > 10
    assert {key for key in texts(language).by_key if key.startswith(("failure.", "warning."))} == told


def codes_of(name: str, place: int) -> set[str]:
    """The constants at this place of all calls of a class."""
    calls = (
        node
        for folder in ("services", "shared")
        for path in Path(folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(name) and len(node.args) > place
    )
    given = (call.args[place] for call in calls)
    return {str(one.value) for one in given if isinstance(one, ast.Constant)}


def test_whatever_is_wrong_in_a_form_is_told_in_japanese() -> None:
    codes = codes_of("Violation", 1) | codes_of("Refused", 0) | codes_of("._wrong", 1)

    assert len(codes) > 20
    assert {code for code in codes if not texts("ja").has(f"violation.{code}")} == set()


def test_a_text_has_the_form_of_its_number() -> None:
    english, japanese = texts("en"), texts("ja")

    assert english("job.rows", count=1, number="1") == "1 row"
    assert english("job.rows", count=0, number="0") == "0 rows"
    assert japanese("job.rows", count=1, number="1") == "1 行"


@pytest.mark.parametrize(
    ("wish", "header", "language"),
    [
        ("ja", "en", "ja"), (None, "ja-JP,ja;q=0.9,en;q=0.8", "ja"), (None, "de-DE, en;q=0.5", "en"), (None, "", "en"),
        ("<script>", "ja", "ja"), (None, "*", "en"), (None, ",;=,,", "en"), (None, "x" * 10_000, "en"),
    ],
)  # fmt: skip
def test_the_reader_chooses_the_language(wish: str | None, header: str, language: str) -> None:
    assert chosen(wish, header) == language


def test_what_was_asked_for_fills_the_form_and_comes_back_the_same() -> None:
    report = load_catalog(Path("deploy/sample/catalog")).types["flights-export"]
    asked = {"from": "2013-01-01", "to": "2013-02-01", "origin": None, "carriers": ["UA", "DL"]}
    texts_of_fields = as_entered(report, asked)
    form = Form([(name, value) for name, value in texts_of_fields.items() if value])

    parameters, violations = parameters_of(report, entered(report, form))

    assert violations == []
    assert parameters == {name: value for name, value in asked.items() if value is not None}


def test_what_is_vendored_is_what_its_record_says() -> None:
    record = json.loads((STATIC / "vendored.json").read_text())

    assert {each["file"] for each in record} == {path.name for path in STATIC.glob("*.min.js")}
    for each in record:
        assert hashlib.sha256((STATIC / each["file"]).read_bytes()).hexdigest() == each["sha256"]
    assert (STATIC / "htmx.LICENCE.txt").exists()

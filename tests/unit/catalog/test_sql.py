"""What is code and what is text in a query, case by case from the PostgreSQL manual's "Lexical Structure"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.query import placeholders, query_problems
from shared.catalog.sql import UnreadableSql, scan


@pytest.mark.parametrize(
    "text",
    [
        "':no'",
        "'it''s :no'",
        r"'a\' || :yes || ''",
        r"E'a\':no'",
        r"e'\\' || :yes",
        "E'a'\n  'b\\' :no'",
        "E'a' -- why\n -- 'not\n 'b\\' :no'",
        "namee':no'",
        '":no"',
        '"a"":no"',
        'U&"\\0061:no"',
        "$$ :no ' $$",
        "$tag$ :no $$ $tagg$ $tag$",
        "$é$ :no $é$",
        "a$1$ || :yes || '$1$ :no'",
        "-- :no\n",
        "-- ' :no\n || :yes",
        "/* :no /* :no */ ' :no */ || :yes",
        "1::no",
        "x :=no",
        "a[1:2]",
        "a[:yes : 2]",
        "'2020-01-01'::date - :yes::interval",
        "f(a=>:yes)",
        "ä:yes",
        # To PostgreSQL a no-break space is a letter, so this is not an E'…'.
        "\u00a0E'\\' || :yes || ''",
    ],
)
def test_a_placeholder_counts_only_where_it_is_code(text: str) -> None:
    assert {token.text for token in placeholders(f"SELECT {text}")} <= {":yes"}
    assert (":yes" in text) == bool(placeholders(f"SELECT {text}"))


def test_tokens_know_their_line() -> None:
    tokens = placeholders("SELECT /* \n */ ':x\n', :a\n  , $$\n$$ || :b")
    assert [(token.text, token.line) for token in tokens] == [(":a", 3), (":b", 5)]


@pytest.mark.parametrize("text", ["'a", "E'a\\'", "E'a'\n'b\\'", '"a', "$$a", "$x$ $X$", "/* /* */"])
def test_what_never_ends_is_refused_with_the_line_where_it_began(text: str) -> None:
    with pytest.raises(UnreadableSql, match="never closed") as refused:
        list(scan(f"SELECT 1,\n{text}"))
    assert refused.value.line == 2


@given(st.text(alphabet="aE:'\"$-/*\\\n é;%1", max_size=30))
def test_nothing_is_lost_and_nothing_is_added(query: str) -> None:
    try:
        pieces = [token.text for token in scan(query)]
    except UnreadableSql:
        return
    assert "".join(pieces) == query
    assert all(pieces)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "select 1 ;  -- done;\n",
        "-- title\n/* ; */ WITH a AS (SELECT ';') SELECT * FROM a",
        "SELECT ')' AS \"(\" /* ( */",
    ],
)
def test_one_select_is_accepted(query: str) -> None:
    assert list(query_problems(query)) == []


@pytest.mark.parametrize(
    ("query", "line", "about"),
    [
        ("", 1, "empty"),
        ("\n-- only a comment\n", 1, "empty"),
        (";", 1, "begin with SELECT or WITH"),
        ("\n\nDELETE FROM jobs", 3, "begin with SELECT or WITH"),
        ("selection", 1, "begin with SELECT or WITH"),
        ("SELECT 1;\n\nSELECT 2", 3, "more than one statement"),
        ("SELECT 1;;", 1, "more than one statement"),
        ("SELECT 1\n) TO PROGRAM 'x' --", 2, "no ( before it"),
        ("SELECT (\n(1)", 1, "never closed"),
        ("SELECT $1", 1, "write :name"),
        ("SELECT 'a\n", 1, "never closed"),
        ("SELECT 1\0", 1, "U+0000"),
    ],
)
def test_anything_else_is_refused_with_its_line(query: str, line: int, about: str) -> None:
    [(found_line, message)] = query_problems(query)
    assert found_line == line
    assert about in message

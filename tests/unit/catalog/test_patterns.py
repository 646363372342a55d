"""A pattern means the same to the service and to its clients, and no text takes long to match."""

import time

import pytest

from shared.catalog.pattern import UnusablePattern, check_pattern, matches


@pytest.mark.parametrize(
    ("pattern", "whole", "other"),
    [
        ("[A-Z]{2}|B6", ["AA", "B6"], ["AAA", "xAA", "AA\n", ""]),
        (r"\d+", ["0123"], ["١٢", "1 2"]),
        (r"\w+", ["a_1"], ["ä", "あ"]),
        (r"\s", [" ", "\t", "\n", "\u3000", "\xa0", "\ufeff"], ["a", "\u200b"]),
        (r"\S+", ["a", "あ"], ["\u3000"]),
        (r"[\s\d]+", ["1\u30002"], ["a"]),
        (r"[\s\S]*", ["a\n\u3000"], []),
        (r"[^\s]+", ["あ"], ["\u3000", "\xa0"]),
        (r"\p{L}[\p{L}\p{Nd} .-]*", ["Żółć 2", "あい"], ["2a", ""]),
        (r"\p{Script=Greek}+", ["Ωμέγα"], ["Omega"]),
        (r"\P{L}", ["1"], ["a"]),
        (r"[\u3041-\u309F]+\x41", ["あいA"], ["アA"]),
        (r"(?<year>[0-9]{4})-(?:0[1-9]|1[0-2])", ["2026-11"], ["2026-13"]),
        (r"^a$|^b$", ["a", "b"], ["ab", "a\n"]),
        ("[[:alpha:]+", [":", "a[l"], ["b"]),
        (r"[\]\[(){}]+", ["[](){}"], ["a"]),
        ("[(?]=[a[]{2}", ["(=aa", "?=[a"], ["(?="]),
        (r"\{\}\-\@", ["{}-@"], [""]),
        ("[A-Z]{3}x{1,}y{2,3}", ["ABCxxyy"], ["ABCyy"]),
        (r"a.c", ["abc", "a😀c"], ["a\nc"]),
    ],
)
def test_a_pattern_must_match_the_whole_text(pattern: str, whole: list[str], other: list[str]) -> None:
    assert [text for text in whole if not matches(pattern, text)] == []
    assert [text for text in other if matches(pattern, text)] == []


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(?=a)a", "the look-ahead (?=…)"),
        ("a(?!b)", "the look-ahead (?!…)"),
        ("(?<=a)b", "the look-behind (?<=…)"),
        ("(?<!a)b", "the look-behind (?<!…)"),
        (r"(a)\1", r"the back-reference \1"),
        (r"(?<x>a)\k<x>", r"the back-reference \k"),
        ("(?i)a", "(?i…), which JSON Schema does not know"),
        ("(?i:a)", "(?i…), which JSON Schema does not know"),
        ("(?P<x>a)", "(?P<…), which JSON Schema does not know"),
        ("(?#a)", "(?#…), which JSON Schema does not know"),
        ("(?>a)", "(?>…), which JSON Schema does not know"),
        (r"\Aa\Z", r"\A, which the service and JSON Schema do not share"),
        (r"\Qa\E", r"\Q, which"),
        (r"\p{Greek}", r"\p{Greek}, which"),
        (r"\pL", r"\p, which"),
        (r"\u30", r"\u, which"),
        ("a{,5}", "a bare {"),
        ("a}", "a bare }"),
        ("a]", "a bare ]"),
        ("[[:alpha:]]", "a bare ]"),
        ("[]a]", "the empty class []"),
        ("[^]a]", "the empty class [^]"),
        ("(", "is not a regular expression"),
        ("a)", "is not a regular expression"),
        ("[a", "is not a regular expression"),
        ("a++", "is not a regular expression"),
        ("*", "is not a regular expression"),
        ("[b-a]", "is not a regular expression"),
        ("a\\", "is not a regular expression"),
        ("(a{1000}){1000}", "is not a regular expression"),
        (r"\p{L}{1000}", "is too large"),
    ],
)
def test_what_only_one_side_knows_is_refused_by_name(pattern: str, told: str) -> None:
    with pytest.raises(UnusablePattern) as refused:
        check_pattern(pattern)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+", "a" * 50_000 + "!"),
        ("(a|aa)+", "a" * 50_000 + "!"),
        (r"(\w+\s?)*", "a " * 25_000 + "!"),
        (r"([a-zA-Z0-9_.-]+)+@[a-z]+\.com", "a" * 50_000 + "!"),
        ("(x+x+)+y", "x" * 50_000),
        ("(.*)*(.*)*(.*)*!", "a" * 50_000),
        ("(.{0,200}a){0,5}b", "a" * 50_000),
    ],
)
def test_no_text_takes_long(pattern: str, text: str) -> None:
    began = time.process_time()

    assert not matches(pattern, text)
    # A backtracking engine would need longer than the universe has.
    assert time.process_time() - began < 20

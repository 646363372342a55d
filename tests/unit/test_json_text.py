"""One reader and one writer of JSON, with one limit of depth."""

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import json_text
from shared.json_text import MOST_LEVELS, TooDeep

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_VALUES)
def test_it_reads_and_writes_what_the_standard_library_does(value: object) -> None:
    assert json.loads(json_text.write(value)) == value
    assert json_text.read(json.dumps(value)) == value
    assert json_text.read(json_text.write(value).encode()) == value


def test_it_reads_what_is_nested_as_deeply_as_it_may_and_refuses_more() -> None:
    json_text.read("[" * MOST_LEVELS + "]" * MOST_LEVELS)
    for opening, closing in ("[", "]"), ('{"a":', "}"):
        text = opening * (MOST_LEVELS + 2) + "1" + closing * (MOST_LEVELS + 2)
        with pytest.raises(TooDeep, match="at most 200 levels"):
            json_text.read(text)


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "-Infinity", '"\\ud800"', '"\ud800"', b'"\xff"', "", "{", "01", "{'a': 1}", "[1,]"]
)
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        json_text.read(text)


def test_an_id_is_written_as_its_text_and_half_a_character_not_at_all() -> None:
    assert json_text.write([UUID(int=7)]) == '["00000000-0000-0000-0000-000000000007"]'
    with pytest.raises(ValueError, match="surrogates not allowed"):
        json_text.write("\ud800")

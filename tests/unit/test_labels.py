"""The texts that Todoke itself writes into documents exist in many languages, complete and drawable."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from shared.reports.formats import labels
from shared.reports.formats.labels import Labels, labels_of
from shared.reports.formats.pdf.fonts import FontSet
from shared.reports.formats.xlsx.limits import sheet_name

LANGUAGES = sorted(json.loads(Path(labels.__file__).with_name("labels.json").read_text(encoding="utf-8")))
_HOLES = {"page": ("{page}", "{pages}"), "subtotal": ("{group}",)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_label_with_its_holes(language: str) -> None:
    found = labels_of(language)

    for field in fields(Labels):
        text = getattr(found, field.name)
        assert text.strip() == text != "", field.name
        assert all(text.count(hole) == 1 for hole in _HOLES.get(field.name, ())), field.name
        assert text.count("{") == len(_HOLES.get(field.name, ())), field.name
        assert not set('"<>&\\') & set(text), field.name


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_font_of_ours_has_every_letter_of_it(language: str) -> None:
    font_set = FontSet(None)
    for field in fields(Labels):
        for bold in (False, True):
            font_set.width(getattr(labels_of(language), field.name), 8, bold=bold)

    assert not font_set.missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_sheets_may_have_its_names(language: str) -> None:
    found = labels_of(language)

    assert (sheet_name(found.overview), sheet_name(found.chart_data)) == (found.overview, found.chart_data)


@pytest.mark.parametrize(
    ("language", "as_in"),
    [
        ("pt-BR", "pt"), ("ja-JP", "ja"), ("zh-CN", "zh"), ("zh-Hans-CN", "zh"), ("zh-TW", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"), ("no", "nb"), ("nn-NO", "nb"), ("ta", "en"), ("en-GB", "en"), ("xx-Latn-XX", "en"),
    ],
)  # fmt: skip
def test_a_variant_has_the_labels_of_its_language(language: str, as_in: str) -> None:
    assert labels_of(language) is labels_of(as_in)


def test_no_two_languages_share_their_labels() -> None:
    assert len({labels_of(language) for language in LANGUAGES}) == len(LANGUAGES)

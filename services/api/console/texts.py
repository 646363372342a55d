"""What the pages say, in each language."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.core import negotiate_locale
from markupsafe import Markup

LANGUAGES = ("en", "ja")
"""The languages that have a catalogue; the first one is for everybody else."""
_FOLDER = Path(__file__).parent / "texts"


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one language."""

    locale: Locale
    by_key: Mapping[str, str | Mapping[str, str]]

    def __call__(self, key: str, *, count: int = 0, **values: Any) -> str:
        """The text of that key with its `{values}`. `count` chooses among the forms of a text that has several."""
        text = self.by_key[key]
        if not isinstance(text, str):
            text = text.get(self.locale.plural_form(count)) or text["other"]
        return text.format(count=count, **values)

    def marked_up(self, key: str, **values: Any) -> Markup:
        """The text as HTML, with values that may be HTML themselves: what is not is text. Of a key with one form."""
        return Markup.escape(self.by_key[key]).format(**values)

    def has(self, key: str) -> bool:
        """True if there is a text of that key."""
        return key in self.by_key


@cache
def texts(language: str) -> Texts:
    """The texts of a language in LANGUAGES: of every file that begins with its name."""
    found: dict[str, str | Mapping[str, str]] = {}
    for path in sorted(_FOLDER.glob(f"{language}*.toml")):
        found.update(_flat(tomllib.loads(path.read_text("utf-8")), ""))
    return Texts(Locale.parse(language), found)


def chosen(wish: str | None, accept_language: str) -> str:
    """The language to speak: the one wished for, else the best of an Accept-Language header that is known."""
    if wish in LANGUAGES:
        return wish
    preferred = [part.partition(";")[0].strip().replace("-", "_") for part in accept_language[:500].split(",")]
    try:
        return negotiate_locale([p for p in preferred if p], LANGUAGES) or LANGUAGES[0]
    except (UnknownLocaleError, ValueError):
        return LANGUAGES[0]


def _flat(table: Mapping[str, Any], before: str) -> list[tuple[str, str | Mapping[str, str]]]:
    """Every text by its dotted key. A table that has the form `other` is one text in several forms."""
    found: list[tuple[str, str | Mapping[str, str]]] = []
    for name, value in table.items():
        key = f"{before}{name}"
        if isinstance(value, str) or "other" in value:
            found.append((key, value))
        else:
            found += _flat(value, f"{key}.")
    return found

"""The texts of the pages, in each language."""

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
"""The languages that have texts. The first is used for readers of any other language."""
_FOLDER = Path(__file__).parent / "texts"


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one language."""

    locale: Locale
    by_key: Mapping[str, str | Mapping[str, str]]

    def __call__(self, key: str, *, count: int = 0, **values: Any) -> str:
        """Return the text of that key with its `{values}` filled in.

        `count` chooses among the forms of a text that has several.
        """
        text = self.by_key[key]
        if not isinstance(text, str):
            text = text.get(self.locale.plural_form(count)) or text["other"]
        return text.format(count=count, **values)

    def marked_up(self, key: str, **values: Any) -> Markup:
        """Return the text as HTML, for a key with one form. Values that are not HTML are escaped."""
        return Markup.escape(self.by_key[key]).format(**values)

    def of(self, kind: str, value: str, **values: Any) -> str:
        """The text of a value among the texts of its kind. One that only a newer release knows is shown as it is."""
        key = f"{kind}.{value}"
        if self.has(key):
            return self(key, **values)
        return f"{value}: {values['number']}" if "number" in values else value

    def has(self, key: str) -> bool:
        """True if there is a text of that key."""
        return key in self.by_key


@cache
def texts(language: str) -> Texts:
    """Return the texts of a language in LANGUAGES, from every file that begins with its name."""
    found: dict[str, str | Mapping[str, str]] = {}
    for path in sorted(_FOLDER.glob(f"{language}*.toml")):
        found.update(_flat(tomllib.loads(path.read_text("utf-8")), ""))
    return Texts(Locale.parse(language), found)


def chosen(wish: str | None, accept_language: str) -> str:
    """Return the language to use: the one wished for, otherwise the best match of an Accept-Language header."""
    if wish in LANGUAGES:
        return wish
    preferred = [part.partition(";")[0].strip().replace("-", "_") for part in accept_language[:500].split(",")]
    try:
        return negotiate_locale([p for p in preferred if p], LANGUAGES) or LANGUAGES[0]
    except (UnknownLocaleError, ValueError):
        return LANGUAGES[0]


def _flat(table: Mapping[str, Any], before: str) -> list[tuple[str, str | Mapping[str, str]]]:
    """Return every text by its dotted key. A table with the form `other` is one text in several forms."""
    found: list[tuple[str, str | Mapping[str, str]]] = []
    for name, value in table.items():
        key = f"{before}{name}"
        if isinstance(value, str) or "other" in value:
            found.append((key, value))
        else:
            found += _flat(value, f"{key}.")
    return found

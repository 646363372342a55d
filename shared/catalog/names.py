"""The names of report types and of languages."""

import re

_TYPE_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def name_problem(name: str) -> str | None:
    """Say why the text cannot name a report type; None if it can."""
    if _TYPE_NAME.fullmatch(name):
        return None
    return "cannot name a report type: it has lower-case letters, digits and hyphens, a letter first, 63 at most"


def near_name(text: str) -> str:
    """Return a name made from the text, which may be empty: `late-flights` for `Late flights!`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-0123456789")[:63].rstrip("-")


def language_problem(name: object) -> str | None:
    """Say what keeps `name` from being a language tag, and the remedy; None if it is one."""
    if isinstance(name, str) and _LANGUAGE.fullmatch(name):
        return None
    return f'{name!r} is not a language tag: write language = "en", "ja" or "pt-BR", for example'

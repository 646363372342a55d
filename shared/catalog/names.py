"""The names of report types."""

import re

_TYPE_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


def name_problem(name: str) -> str | None:
    """Say what keeps the text from naming a report type; None if it can."""
    if _TYPE_NAME.fullmatch(name):
        return None
    return "cannot name a report type: it has lower-case letters, digits and hyphens, a letter first, 63 at most"


def near_name(text: str) -> str:
    """Return a name made of the text, which may still be empty: `late-flights` of `Late flights!`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-0123456789")[:63].rstrip("-")

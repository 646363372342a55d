"""`python -m deploy.tools.cultures`: how languages write numbers and dates, from CLDR by way of Babel, as JSON.

shared/catalog/cultures.json is made by it. A report's process reads that file, because importing Babel and one of its
locales takes as long as a small report; and the same rows give the same bytes, whichever Babel is installed.
"""

import json
import locale
import sys
from collections.abc import Mapping

from babel import Locale, UnknownLocaleError

_MAINLAND = {"zh": 0x804, "pt": 0x816}
"""Languages whose first code is that of another region."""
_RIGHT_TO_LEFT_MARKS = str.maketrans("", "", "\u200e\u200f\u061c")


def main() -> int:
    """Print the file: one line for each language, and for each region that writes numbers differently."""
    found: dict[str, Mapping[str, object]] = {}
    for code, name in sorted(locale.windows_locale.items()):
        language, _, region = name.partition("_")
        for tag in (language, f"{language}-{region}"):
            if tag in found or "-" in region or not (one := _culture(tag, code)):
                continue
            if tag == language or _without_code(one) != _without_code(found.get(language, {})):
                found[tag] = one
    lines = [f"{json.dumps(tag)}: {json.dumps(found[tag], ensure_ascii=False)}" for tag in sorted(found)]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
    return 0


def _without_code(culture: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in culture.items() if name != "lcid"}


def _culture(tag: str, code: int) -> Mapping[str, object] | None:
    try:
        one = Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return None
    system = one.default_numbering_system
    # If a language says nothing about its own digits, the entry for Latin ones applies.
    symbols = {**one.number_symbols["latn"], **one.number_symbols.get(system, {})}
    zero = {"arab": 0x660, "arabext": 0x6F0, "beng": 0x9E6, "deva": 0x966, "mymr": 0x1040}.get(system)
    if "decimal" not in symbols:
        return None
    months, days = one.months["format"], one.days["format"]
    halves = one.day_periods["format"]
    halves = {**halves["wide"], **halves.get("abbreviated", {})}
    return {
        "decimal": symbols["decimal"], "group": symbols["group"],
        "digits": "".join(chr(zero + n) for n in range(10)) if zero else "",
        "months": [_text(months["wide"][n]) for n in range(1, 13)],
        "shortMonths": [_text(months["abbreviated"][n]) for n in range(1, 13)],
        "days": [_text(days["wide"][n]) for n in range(7)],
        "shortDays": [_text(days["abbreviated"][n]) for n in range(7)],
        "halves": [_text(halves["am"]), _text(halves["pm"])],
        "lcid": _MAINLAND.get(tag, code),
        **({"byTwo": True} if one.decimal_formats[None].grouping == (3, 2) else {}),
    }  # fmt: skip


def _text(text: str) -> str:
    return text.translate(_RIGHT_TO_LEFT_MARKS)


if __name__ == "__main__":
    sys.exit(main())

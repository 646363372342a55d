"""Reads `[options]` of report.toml: what requests may not say about the shape of an answer, and the defaults."""

from collections.abc import Iterable, Sequence

from shared.catalog.model import Column
from shared.catalog.moment import zone_problem
from shared.catalog.shape import FIELDS, Shape, TypeOptions, sort_key
from shared.catalog.toml import Table
from shared.suggest import did_you_mean

OPTION_KEYS = ("forbid", *(name for name in FIELDS.values() if name != "csv"))
"""The defaults of `csv` are in `[csv]`."""


def type_options(table: Table, columns: Iterable[Column], known_languages: Sequence[str], max_rows: int) -> TypeOptions:
    """Read the table. `columns` are those of `[columns]`."""
    table.only(OPTION_KEYS)
    forbid = table.strings("forbid") or ()
    for name in forbid:
        if name not in FIELDS:
            table.wrong("forbid", f"{name!r} is not an option of requests{did_you_mean(name, FIELDS)}")
    zone = table.text("time_zone") or None
    if zone is not None and (problem := zone_problem(zone)):
        table.wrong("time_zone", problem)
    known = [column.name for column in columns]
    chosen, sort = table.strings("columns"), table.strings("sort")
    for key, names in (("columns", [(n, n in known) for n in chosen or ()]),
                       ("sort", [(n, sort_key(n, known) is not None) for n in sort or ()])):  # fmt: skip
        for name, is_known in names:
            if not is_known:
                table.wrong(key, f"{name!r} is not in [columns]{did_you_mean(name.lstrip('-'), known)}")
    locale = table.text("locale") or None
    if locale is not None and locale not in known_languages:
        table.wrong("locale", f"{locale!r} is not a language of it{did_you_mean(locale, known_languages)}")
    limit = table.whole("limit", 1, max_rows)
    return TypeOptions(forbid, Shape(zone, locale, chosen, sort, limit))

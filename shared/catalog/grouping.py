"""Reads `[groups]` and `[totals]` of report.toml: which rows belong together, and what is computed from them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from shared.catalog.toml import Table
from shared.suggest import did_you_mean, did_you_mean_one_of

FUNCTIONS = ("sum", "mean", "min", "max", "count")
_MOST_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Grouping:
    """Groups and totals of a report's rows, in documents and workbooks."""

    by: tuple[str, ...] = ()
    """Columns, the outermost group first. Neighbouring rows with the same values are one group."""
    totals: Mapping[str, str] = field(default_factory=dict)
    """Column → what is computed from it, for each group and for all rows."""

    def within(self, columns: Collection[str], *, sorted_anew: bool) -> "Grouping":
        """Return what remains of it for a file with these columns.

        Rows in an order chosen by the requester have no groups.
        """
        by: list[str] = []
        for name in () if sorted_anew else self.by:
            if name not in columns:
                break
            by.append(name)
        return Grouping(tuple(by), {name: what for name, what in self.totals.items() if name in columns})

    def __bool__(self) -> bool:
        return bool(self.by or self.totals)


NO_GROUPING = Grouping()


def read_grouping(groups: Table, totals: Table, columns: Collection[str]) -> Grouping:
    """Read both tables. `columns` are those of `[columns]`."""
    groups.only(("by",))
    by = groups.strings("by") or ()
    if len(by) > _MOST_LEVELS:
        groups.wrong("by", f"has {len(by)} levels; there are at most {_MOST_LEVELS}")
    for name in by:
        if name not in columns:
            groups.wrong("by", f"{name!r} is not in [columns]{did_you_mean(name, columns)}")
    found = {}
    for name in dict(totals.items()):
        what = totals.text(name)
        if name not in columns:
            totals.wrong(name, f"is not in [columns]{did_you_mean(name, columns)}")
        elif name in by:
            totals.wrong(name, "is what the rows are grouped by: leave it out of one of the two")
        elif what not in FUNCTIONS:
            totals.wrong(name, f"{what!r} is not one of {', '.join(FUNCTIONS)}{did_you_mean_one_of(what, FUNCTIONS)}")
        else:
            found[name] = what
    return Grouping(by, found)

"""Conditions in a request on notifications of a job's end: read and checked, with every mistake named."""

import math
from collections.abc import Sequence

from shared.catalog.parameters import Violation
from shared.suggest import did_you_mean, did_you_mean_one_of
from shared.webhooks.conditions import FAILURE, FIELD, HAS_ROWS, MOST, Condition

_LIKE = '"rows", "failure" or {"figure": "rows", "above": 1000}'
_KEYS = ("figure", "above", "below")


def read_conditions(given: object, figures: Sequence[str], wrong: list[Violation]) -> list[Condition] | None:
    """Return the conditions, one of which must hold; None means always.

    Mistakes are added to `wrong`. `figures` are the names of the existing figures.
    """
    if given is None:
        return None
    if not isinstance(given, list) or not 1 <= len(given) <= MOST:
        told = f"must be a list of 1 to {MOST} conditions, of which one is enough: {_LIKE}; leave it out for always"
        wrong.append(Violation(FIELD, "type", told))
        return None
    found = [_read(one, f"{FIELD}[{n}]", figures, wrong) for n, one in enumerate(given)]
    return [one for one in found if one is not None]


def _read(given: object, field: str, figures: Sequence[str], wrong: list[Violation]) -> Condition | None:
    """Return one condition; None after adding its mistakes to `wrong`."""
    if isinstance(given, str) and given in {HAS_ROWS, FAILURE}:
        return given
    if not isinstance(given, dict):
        hint = did_you_mean_one_of(given[:60], [HAS_ROWS, FAILURE]) if isinstance(given, str) else ""
        wrong.append(Violation(field, "choice", f"must be {_LIKE}{hint}"))
        return None
    before = len(wrong)
    wrong += [
        Violation(
            f"{field}.{name[:100]}", "unknown_field", f"is not part of a condition{did_you_mean(name[:60], _KEYS)}"
        )
        for name in [one for one in given if one not in _KEYS][:20]
    ]
    _check_figure(given.get("figure"), f"{field}.figure", figures, wrong)
    bounds = {name: given[name] for name in ("above", "below") if given.get(name) is not None}
    if not bounds:
        wrong.append(Violation(field, "required", 'must give a bound, such as "above": 1000 or "below": 10'))
    for name, bound in bounds.items():
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(_float(bound)):
            wrong.append(Violation(f"{field}.{name}", "type", "must be a number, such as 1000 or 0.5"))
    return {"figure": given["figure"], **bounds} if len(wrong) == before else None


def _check_figure(name: object, field: str, figures: Sequence[str], wrong: list[Violation]) -> None:
    if isinstance(name, str) and name in figures:
        return
    if not isinstance(name, str):
        wrong.append(Violation(field, "required", 'must give a figure, such as "rows"'))
        return
    hint = did_you_mean(name[:60], figures) if figures else ": a report type without files has none"
    message = f"{name[:60]!r} is not a figure{hint}"
    wrong.append(Violation(field, "unknown_figure", message))


def _float(bound: float) -> float:
    try:
        return float(bound)
    except OverflowError:
        return math.inf

"""Labels: names and values with which a client marks a job, to find it again."""

import itertools
import re
from collections.abc import Mapping

from services.api.actions.errors import MOST_VIOLATIONS
from shared.catalog.parameters import Violation

MOST, LONGEST_NAME, LONGEST_VALUE = 16, 63, 255
NAME = r"[A-Za-z0-9]([A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?"
"""The form of a label's name, chosen so that `name:value` can be read in one way only."""

_NAME = re.compile(NAME)
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def read_labels(given: object, violations: list[Violation]) -> Mapping[str, str] | None:
    """Return the labels of a request; None if it has none. Mistakes are added to `violations`."""
    if given is None or given == {}:
        return None
    if not isinstance(given, dict):
        violations.append(Violation("labels", "type", 'must be an object such as {"team": "finance"}'))
        return None
    wrong = [
        wrong for name, value in itertools.islice(given.items(), MOST_VIOLATIONS) if (wrong := _wrong(name, value))
    ]
    if len(given) > MOST:
        wrong.append(Violation("labels", "too_long", f"has {len(given)} labels, but at most {MOST} are allowed"))
    violations += wrong
    return None if wrong else given


def _wrong(name: str, value: object) -> Violation | None:
    field = f"labels.{name[:100]}"
    if problem := name_problem(name):
        return Violation(field, "name", problem)
    if not isinstance(value, str):
        return Violation(field, "type", 'must be a string: write numbers in quotes, as in "7"')
    problem = value_problem(value)
    return Violation(field, "value", problem) if problem else None


def name_problem(name: str) -> str | None:
    """Say why the text cannot be a label's name, and how to mend it; None if it can."""
    if _NAME.fullmatch(name):
        return None
    return (
        f"cannot be a label's name: write up to {LONGEST_NAME} letters, digits, `_`, `.`, `/` and `-`, "
        "a letter or digit first and last"
    )


def value_problem(value: str) -> str | None:
    """Say why the text cannot be a label's value, and how to mend it; None if it can."""
    if len(value) > LONGEST_VALUE:
        return f"has {len(value)} characters: {LONGEST_VALUE} at most"
    if _NOT_SHOWN.search(value):
        return "contains a control character or half of a surrogate pair: write text that can be shown"
    return None

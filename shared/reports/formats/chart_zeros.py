"""Charts whose numbers are all 0: an engine makes a scale of no length of them, and shows an empty frame."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

_KEEPS_ZEROS = frozenset({None, "sum", "mean", "average", "median", "min", "max"})


def of_zeros(units: Sequence[Mapping[str, Any]], values: Sequence[Mapping[str, Any]]) -> Collection[str]:
    """Return the axes, `x` and `y`, on which every number is 0."""
    found = set()
    for name in ("x", "y"):
        channels = [one for unit in units if (one := unit["encoding"].get(name)) and one.get("type") == "quantitative"]
        if channels and all(_is_of_zeros(one, values) for one in channels):
            found.add(name)
    return found


def _is_of_zeros(channel: Mapping[str, Any], values: Sequence[Mapping[str, Any]]) -> bool:
    if "bin" in channel or channel.get("aggregate") not in _KEEPS_ZEROS or not isinstance(channel.get("field"), str):
        return False
    shown = [value for row in values if (value := row.get(channel["field"])) is not None]
    return bool(shown) and not any(shown)


def from_zero(channel: Any) -> Any:
    """Give an axis of zeros a length, and 0 as its only number."""
    axis, scale = channel.get("axis", {}), channel.get("scale", {})
    if channel.get("type") != "quantitative" or not isinstance(axis, dict) or not isinstance(scale, dict):
        return channel
    return {**channel, "axis": {"values": [0], **axis}, "scale": {"domain": [0, 1], **scale}}


def has_no_slice(units: Iterable[Mapping[str, Any]], values: Sequence[Mapping[str, Any]]) -> bool:
    """Return True for a pie of which every slice is 0 or NULL."""
    channels = [one for unit in units if unit["kind"] == "arc" and (one := unit["encoding"].get("theta"))]
    fields = [one["field"] for one in channels if isinstance(one.get("field"), str) and one.get("aggregate") != "count"]
    return bool(fields) and not any(row.get(name) for row in values for name in fields)

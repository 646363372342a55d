"""Durations as a person types them."""

import re

from todoke.cli.exits import WrongCall

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(text: str, option: str) -> float:
    """Return `90`, `90s`, `10m`, `1h30m` or `2d` in seconds. Raises WrongCall."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", text):
        return float(text)
    parts = re.findall(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise WrongCall(f"{option} {text}: not a duration; use one such as 90s, 10m, 1h30m or 2d")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)

"""`Accept` as RFC 9110 12.5.1 has it, for the one choice that there is."""

import re

_QUALITY = re.compile(r"q=(0(\.\d{0,3})?|1(\.0{0,3})?)", re.IGNORECASE)
_MOST = 2_000
"""Characters that are read of it."""


def rather_json(accept: str, media_type: str) -> bool:
    """Whether the client takes JSON and does not take `media_type`.

    A client that takes anything, or nothing by name, gets the file: HTTP libraries send `application/json, */*` with
    every request.
    """
    qualities = _qualities(accept)
    return _quality(qualities, "application/json") > 0 and _quality(qualities, media_type) == 0


def asks_for(accept: str, media_type: str) -> bool:
    """Whether the client names `media_type`, and does not rather take JSON."""
    qualities = _qualities(accept)
    wanted = qualities.get(media_type, 0.0)
    return wanted > 0 and wanted >= qualities.get("application/json", 0.0)


def _qualities(accept: str) -> dict[str, float]:
    qualities: dict[str, float] = {}
    for part in accept[:_MOST].split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weights = [float(found[1]) for p in parameters if (found := _QUALITY.fullmatch(p))]
        qualities[name.lower()] = weights[0] if weights else 1.0
    return qualities


def _quality(qualities: dict[str, float], media_type: str) -> float:
    """Of the range that names the type most closely."""
    plain = media_type.partition(";")[0].strip().lower()
    ranges = (plain, f"{plain.partition('/')[0]}/*", "*/*")
    return next((qualities[each] for each in ranges if each in qualities), 0.0)

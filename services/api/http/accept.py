"""`Accept` as in RFC 9110, section 12.5.1, for the one choice that the API offers."""

import re

_QUALITY = re.compile(r"q=(0(\.\d{0,3})?|1(\.0{0,3})?)", re.IGNORECASE)
_MOST = 2_000
"""At most this many characters of the header are read."""


def rather_json(accept: str, media_type: str) -> bool:
    """True if the client accepts JSON and does not accept `media_type`.

    A client that accepts anything, or names nothing, gets the file: HTTP libraries send `application/json, */*` with
    every request.
    """
    qualities = _qualities(accept)
    return _quality(qualities, "application/json") > 0 and _quality(qualities, media_type) == 0


def asks_for(accept: str, media_type: str) -> bool:
    """True if the client names `media_type`, and does not prefer JSON."""
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
    """Return the quality of the range that matches the type most closely."""
    plain = media_type.partition(";")[0].strip().lower()
    ranges = (plain, f"{plain.partition('/')[0]}/*", "*/*")
    return next((qualities[each] for each in ranges if each in qualities), 0.0)

"""Positions in lists ordered by time, as page tokens hold them."""

import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

_BOTH = struct.Struct(">qQ")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def place(at: datetime, number: int) -> UUID:
    """Return the position after the item with that moment and, within the same moment, that number (below 2**64)."""
    return UUID(bytes=_BOTH.pack((at - _EPOCH) // _MICROSECOND, number))


def at_place(position: UUID) -> tuple[datetime, int]:
    """Return the moment and number of a position."""
    microseconds, number = _BOTH.unpack(position.bytes)
    return _EPOCH + microseconds * _MICROSECOND, number

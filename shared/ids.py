"""Identifiers that sort by the time they were created."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """Return a new UUID version 7: 48 bits of Unix milliseconds, then random bits (RFC 9562, section 5.7, May 2024).

    Later ids sort later, so inserts stay at the right edge of every index and a page token is just the last id seen.
    Python's own `uuid.uuid7` arrives with 3.14.
    """
    unix_ms = time.time_ns() // 1_000_000
    value = (unix_ms & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)

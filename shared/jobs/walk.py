"""A walk looks at a table in slices, in the order of job ids, which is the order of time."""

from uuid import UUID

START = UUID(int=0)
"""Where a walk begins, and what a slice returns when it was the last one."""


def next_after(upto: UUID, seen: int, slice_size: int) -> UUID:
    """Return where the next slice begins: after `upto`, this slice's last row; START if it was not full."""
    return upto if seen == slice_size else START

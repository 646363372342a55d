"""Makes existing objects immortal, so that processes forked from this one do not count references to them.

Python counts references in the objects themselves: a process that merely uses inherited objects writes to hundreds of
pages, and must copy each of them first. From 3.12 on Python does not count references to an object whose count is that
of None, and never frees it (PEP 683).
"""

import ctypes
import gc
import sys
from collections.abc import Iterable, Sequence
from types import CodeType, FrameType

_OF_CODE = ("co_consts", "co_names", "co_filename", "co_name", "co_qualname", "co_linetable", "co_exceptiontable")


def make() -> bool:
    """Make every existing object immortal. For a process that frees none of them, and does not clean up at its end.

    Returns False, and does nothing, if this Python counts in another way.
    """
    if not _is_known_layout():
        return False
    found: dict[int, object] = {}
    new: Sequence[object] = gc.get_objects()
    while new:
        fresh = {id(one): one for one in new if id(one) not in found and not isinstance(one, FrameType)}
        found |= fresh
        new = _below(fresh.values())
    never = _count_of(None).value
    for address in found:
        ctypes.c_uint32.from_address(address).value = never
    return True


def _below(objects: Iterable[object]) -> Sequence[object]:
    """Return what these objects refer to. The collector's own walk leaves out the parts of code objects."""
    of_code = [getattr(one, name) for one in objects if isinstance(one, CodeType) for name in _OF_CODE]
    return [*gc.get_referents(*objects), *of_code]


def _is_known_layout() -> bool:
    """True if this Python has immortal objects, with their count at the expected place."""
    probe = object()
    counted = _count_of(probe).value == sys.getrefcount(probe) - 1
    return sys.version_info >= (3, 12) and counted and _count_of(None).value >= 1 << 30


def _count_of(one: object) -> ctypes.c_uint32:
    return ctypes.c_uint32.from_address(id(one))

"""Tunes Python's search for reference cycles for services that make few cycles."""

import atexit
import gc

_YOUNG = 20_000
"""How many objects may be created and not freed before the next search. Python's default of 700 (2,000 from 3.12 on) is
one or two of our batches. Nearly everything here is freed by its reference count, so a search finds hardly anything."""


def search_seldom() -> None:
    """Exclude all objects from start-up from every search, and search less often. For a service that is ready."""
    # Otherwise the objects of a hundred imported modules are examined again and again, which is noticeable in the
    # processor time of API and worker: make bench ARGS="--only where".
    if not gc.get_freeze_count():  # a test process comes here often, and would keep its garbage forever
        gc.freeze()
        # Python's last search must see these objects again; otherwise libraries written in C++ report all of theirs as
        # leaked.
        atexit.register(gc.unfreeze)
    gc.set_threshold(_YOUNG)

"""Python's search for reference cycles is set here for services that make few of them."""

import atexit
import gc

_YOUNG = 20_000
"""Objects made and not yet freed before the next search. Python's own 700 (2,000 from 3.12 on) are a batch or two of
ours. Nearly everything here is freed by its reference count, so a search finds next to nothing."""


def search_seldom() -> None:
    """Leave all objects that start-up made out of every search, and search less often. For a ready service."""
    # Otherwise the objects of a hundred imported modules are looked through again and again. It shows in the processor
    # time of API and worker: make bench ARGS="--only where".
    if not gc.get_freeze_count():  # a test process comes here often, and would keep its garbage for good
        gc.freeze()
        # Python's last search must see these objects again, or libraries written in C++ report all of theirs as leaked.
        atexit.register(gc.unfreeze)
    gc.set_threshold(_YOUNG)

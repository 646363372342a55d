"""Python's search for reference cycles, set for services that make few of them."""

import atexit
import gc

_YOUNG = 20_000
"""Objects made and not yet freed before the next search; Python's own 700 (2,000 from 3.12 on) are a batch or two of
ours. Nearly everything here is freed by its reference count, so searches find next to nothing."""


def search_seldom() -> None:
    """Leave what start-up has made out of every search, and search less often. Called once, when a service is ready.

    The objects of a hundred imported modules are looked through again and again otherwise, which API and worker notice.
    """
    if not gc.get_freeze_count():  # a process of tests comes here often, and would keep its garbage for good
        gc.freeze()
        # Python's last search has to find it again, or libraries written in C++ report everything of theirs as leaked.
        atexit.register(gc.unfreeze)
    gc.set_threshold(_YOUNG)

"""Did you mean …?"""

import difflib
from collections.abc import Iterable, Sequence


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or all names when none is near, for the end of a message.

    The names of a list keep its order, which is intended; others are sorted.
    """
    known = list(map(str, names)) if isinstance(names, Sequence) else sorted(map(str, names))
    if near := did_you_mean_one_of(name, known):
        return near
    if not known:
        return "; there are none"
    shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    return f"; there are: {shown}"


def did_you_mean_one_of(name: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or nothing when none is near, for the end of a message that lists the names
    already.
    """
    near = difflib.get_close_matches(name, map(str, names), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""

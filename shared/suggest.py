"""Did you mean …?"""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or the names there are when none is near: for the end of a message."""
    known = sorted(map(str, names))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    if not known:
        return "; there are none"
    shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    return f"; there are: {shown}"

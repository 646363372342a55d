"""Determines the order in which the letters of a line are drawn: the Unicode Bidirectional Algorithm (UAX #9, Unicode
17).

A line has the direction of its first letter that has one, as with a page's `dir="auto"`. Marks that embed or isolate a
direction are ignored, because the cells of a table contain no markup.
"""

import unicodedata
from collections.abc import Iterator, Sequence

_LEFT, _RIGHT = "L", "R"
_ISOLATE, _END = "\u2068", "\u2069"
"""FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE: text between them has its own direction."""
_IGNORED = frozenset({"BN", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_STRONG = frozenset({"L", "R", "AL"})
_SEPARATORS = frozenset({"B", "S"})
_NEUTRAL = frozenset({"ON", "WS", "B", "S", "ES", "ET", "CS"})
_SIDES = {"L": _LEFT, "R": _RIGHT, "EN": _RIGHT, "AN": _RIGHT}
"""For neutral characters that look at their neighbours, numbers count as right-to-left letters (N1)."""
_BRACKETS = {")": "(", "]": "[", "}": "{", "〉": "〈", "》": "《", "」": "「", "』": "『", "】": "【"}


def isolated(text: str, *, from_right: bool) -> str:
    """Return the text with marks around each line whose direction differs from the document's.

    Typst gives a line the document's direction: in a right-to-left one -5 would become 5-, and +81-3 would become
    81-3+. A line without a directional letter runs from the left, as with a page's `dir="auto"` (UAX #9, FSI).
    """
    if text.isascii() and not from_right:
        return text
    return "\n".join(
        line if not line or _runs_from_right(line) == from_right else f"{_ISOLATE}{line}{_END}"
        for line in text.split("\n")
    )


def _runs_from_right(line: str) -> bool:
    """True if the first letter that has a direction runs from right to left."""
    kinds = (unicodedata.bidirectional(letter) or _LEFT for letter in line)
    return next((kind for kind in kinds if kind in _STRONG), _LEFT) != _LEFT


def in_order(text: str) -> Sequence[tuple[str, bool]]:
    """Cut a line into pieces of one direction, from left to right as they are drawn.

    A piece's letters stay in reading order; its flag is True if they run from right to left.
    """
    levels = _levels(text)
    runs: list[tuple[int, int, int]] = []
    for at, level in enumerate(levels):
        if runs and runs[-1][2] == level:
            runs[-1] = (runs[-1][0], at + 1, level)
        else:
            runs.append((at, at + 1, level))
    for level in range(max(levels, default=0), 0, -1):  # L2
        runs = list(_turned(runs, level))
    return [(text[first:end], level % 2 == 1) for first, end, level in runs]


def _turned(runs: Sequence[tuple[int, int, int]], level: int) -> Iterator[tuple[int, int, int]]:
    """Reverse each sequence of runs of this level or a higher one."""
    high: list[tuple[int, int, int]] = []
    for run in runs:
        if run[2] >= level:
            high.append(run)
            continue
        yield from reversed(high)
        high = []
        yield run
    yield from reversed(high)


def _levels(text: str) -> list[int]:
    """Return the embedding level of each letter: odd levels run from right to left."""
    kinds = [unicodedata.bidirectional(letter) or _LEFT for letter in text]
    base, side = (1, _RIGHT) if _runs_from_right(text) else (0, _LEFT)
    at = [n for n, kind in enumerate(kinds) if kind not in _IGNORED]
    resolved = _weak([kinds[n] for n in at], side)
    resolved = _brackets([text[n] for n in at], resolved, side)
    resolved = _neutral(resolved, side)
    levels = [base] * len(kinds)
    for n, kind in zip(at, resolved, strict=True):  # I1, I2
        levels[n] = 1 if kind == _RIGHT else 2 if kind != _LEFT or base else 0
    for n in range(len(kinds)):  # an ignored character goes with the letter before it
        if kinds[n] in _IGNORED:
            levels[n] = levels[n - 1] if n else base
    for n in reversed(range(len(kinds))):  # L1
        if kinds[n] not in {"WS", *_IGNORED, *_SEPARATORS}:
            break
        levels[n] = base
    return levels


def _weak(kinds: Sequence[str], side: str) -> list[str]:
    """Resolve marks, numbers and their separators (W1 to W7)."""
    found, strong = list(kinds), side
    for n, kind in enumerate(found):
        if kind == "NSM":
            found[n] = found[n - 1] if n else side
        elif kind == "EN" and strong == "AL":
            found[n] = "AN"
        strong = found[n] if found[n] in {"L", "R", "AL"} else strong
    found = _signs_of_numbers([_RIGHT if kind == "AL" else kind for kind in found])
    strong = side
    for n, kind in enumerate(found):
        if kind in {"L", "R"}:
            strong = kind
        elif kind == "EN" and strong == "L":
            found[n] = _LEFT
    return found


def _signs_of_numbers(kinds: Sequence[str]) -> list[str]:
    """Assign separators within a number and signs beside it to the number (W4, W5); others become neutral (W6)."""
    found = list(kinds)
    for n in range(1, len(found) - 1):
        before, kind, after = found[n - 1 : n + 2]
        if before == after and ((kind == "ES" and before == "EN") or (kind == "CS" and before in {"EN", "AN"})):
            found[n] = before
    for order in (range(len(found)), reversed(range(len(found)))):
        beside = ""
        for n in order:
            if found[n] == "ET" and beside == "EN":
                found[n] = "EN"
            beside = found[n]
    return ["ON" if kind in {"ES", "ET", "CS"} else kind for kind in found]


def _brackets(letters: Sequence[str], kinds: Sequence[str], side: str) -> list[str]:
    """Give both brackets of a pair the direction of their content (N0)."""
    found = list(kinds)
    for opening, closing in sorted(_pairs(letters, found)):
        inside = {_SIDES[kind] for kind in found[opening + 1 : closing] if kind in _SIDES}
        if side in inside:
            found[opening] = found[closing] = side
        elif inside:
            before = next((_SIDES[kind] for kind in reversed(found[:opening]) if kind in _SIDES), side)
            found[opening] = found[closing] = before
    return found


def _pairs(letters: Sequence[str], kinds: Sequence[str]) -> Iterator[tuple[int, int]]:
    waiting: list[tuple[str, int]] = []
    for n, letter in enumerate(letters):
        if kinds[n] != "ON":
            continue
        if letter in _BRACKETS.values():
            waiting.append((letter, n))
        elif (opening := _BRACKETS.get(letter)) and any(one == opening for one, _ in waiting):
            while waiting:
                one, at = waiting.pop()
                if one == opening:
                    yield at, n
                    break


def _neutral(kinds: Sequence[str], side: str) -> list[str]:
    """Give neutral characters between two letters of one direction that direction, and others the line's (N1, N2)."""
    found, n = list(kinds), 0
    while n < len(found):
        if found[n] not in _NEUTRAL:
            n += 1
            continue
        end = next((m for m in range(n, len(found)) if found[m] not in _NEUTRAL), len(found))
        before = _SIDES[found[n - 1]] if n else side
        after = _SIDES[found[end]] if end < len(found) else side
        found[n:end] = [before if before == after else side] * (end - n)
        n = end
    return found

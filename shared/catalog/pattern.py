"""Finds patterns whose matching can take for ever, as `(a+)+` does: Python's `re` tries every way to cut a text.

A repetition within a repetition is harmless if only one cut is possible, as in `[a-z]+(-[a-z]+)*`: behind the inner one
comes something that it cannot match itself. Otherwise the number of cuts doubles with every letter.
"""

import re
from collections.abc import Sequence
from re import _constants as ops  # type: ignore[attr-defined] # the only reader of patterns that there is
from re import _parser  # type: ignore[attr-defined]
from typing import Any

_ALPHABET = frozenset(map(chr, [*range(256), 0x3042, 0x3A9, 0x2003, 0x1F680]))
"""The characters by which two parts are compared: all of Latin-1, and some of each kind beyond."""
_CATEGORIES = {
    ops.CATEGORY_DIGIT: r"\d", ops.CATEGORY_NOT_DIGIT: r"\D", ops.CATEGORY_SPACE: r"\s",
    ops.CATEGORY_NOT_SPACE: r"\S", ops.CATEGORY_WORD: r"\w", ops.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip
_MANY = 10
"""From so many repetitions on, it counts as one without an end."""
_Node = tuple[Any, Any]


def explosive(pattern: str) -> str:
    """Return the kind of repetition in which cuts multiply, for a message; empty if there is none."""
    return _search(list(_parser.parse(pattern)))


def _search(nodes: Sequence[_Node]) -> str:
    for node in nodes:
        if _is_repeat(node) and node[1][1] >= _MANY and _multiplies(list(node[1][2])):
            return "a repetition within a repetition" if _has_repeat(node[1][2]) else "a repeated choice"
        for body in _bodies(node):
            if found := _search(body):
                return found
    return ""


def _is_repeat(node: _Node) -> bool:
    return node[0] in {ops.MAX_REPEAT, ops.MIN_REPEAT}


def _bodies(node: _Node) -> Sequence[Sequence[_Node]]:
    op, argument = node
    if op is ops.SUBPATTERN:
        return [list(argument[3])]
    if op is ops.BRANCH:
        return [list(one) for one in argument[1]]
    if _is_repeat(node) or op is getattr(ops, "POSSESSIVE_REPEAT", None):
        return [list(argument[2])]
    if op in {ops.ASSERT, ops.ASSERT_NOT}:
        return [list(argument[1])]
    if op is getattr(ops, "ATOMIC_GROUP", None):
        return [list(argument)]
    return []


def _has_repeat(nodes: Any) -> bool:
    return any(_is_repeat(node) or any(_has_repeat(body) for body in _bodies(node)) for node in nodes)


def _multiplies(body: Sequence[_Node]) -> bool:
    """True if `(body)*` can cut one text in more than one way."""
    return _open_end(body, _first(body))


def _open_end(nodes: Sequence[_Node], after: frozenset[str]) -> bool:
    """True if some repetition in `nodes` can take a character that may just as well begin what follows it."""
    for at, node in enumerate(nodes):
        follow = _first(nodes[at + 1 :]) | (after if _nullable(nodes[at + 1 :]) else frozenset())
        op, argument = node
        if _is_repeat(node) and argument[0] != argument[1]:
            inner = list(argument[2])
            taken = _first(inner)
            if taken & after and all(_can_be_nothing(one) or _characters(one) & taken for one in nodes[at + 1 :]):
                return True
            follow |= _first(inner)
        if op is ops.BRANCH and _can_be_nothing(node) and _nullable(nodes[at + 1 :]) and _first([node]) & after:
            return True
        if any(_open_end(one, follow) for one in _bodies(node) if not _is_repeat(node)):
            return True
    return False


def _nullable(nodes: Sequence[_Node]) -> bool:
    return all(_can_be_nothing(node) for node in nodes)


def _can_be_nothing(node: _Node) -> bool:
    op, argument = node
    if _is_repeat(node):
        return argument[0] == 0 or _nullable(list(argument[2]))
    if op is ops.BRANCH:
        return any(_nullable(body) for body in _bodies(node))
    if op is ops.SUBPATTERN:
        return _nullable(_bodies(node)[0])
    return op in {ops.AT, ops.ASSERT, ops.ASSERT_NOT}


def _first(nodes: Sequence[_Node]) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for node in nodes:
        found |= _characters(node)
        if not _can_be_nothing(node):
            break
    return found


def _characters(node: _Node) -> frozenset[str]:
    op, argument = node
    if op is ops.LITERAL:
        return frozenset({chr(argument)})
    if op is ops.NOT_LITERAL:
        return _ALPHABET - {chr(argument)}
    if op is ops.ANY:
        return _ALPHABET - {"\n"}
    if op is ops.IN:
        return _class(argument)
    if op in {ops.AT, ops.ASSERT, ops.ASSERT_NOT}:
        return frozenset()
    if op is ops.GROUPREF:
        return _ALPHABET
    return frozenset().union(*(_first(body) for body in _bodies(node)))


def _class(items: Sequence[_Node]) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for op, argument in items:
        if op is ops.LITERAL:
            found |= {chr(argument)}
        elif op is ops.RANGE:
            found |= {c for c in _ALPHABET if argument[0] <= ord(c) <= argument[1]}
        elif op is ops.CATEGORY and argument in _CATEGORIES:
            found |= {c for c in _ALPHABET if re.fullmatch(_CATEGORIES[argument], c)}
    return _ALPHABET - found if items and items[0][0] is ops.NEGATE else found

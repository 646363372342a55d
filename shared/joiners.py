"""Joiner and non-joiner: they show nothing, and words of Persian and of Indian languages need them."""

import re

_JOINED = "\u0600-\u1cff"
"""The scripts from Arabic to those of India and Indochina."""
_JOINER = re.compile(f"(?<=[{_JOINED}])[\u200c\u200d](?=[{_JOINED}])")


def without_joiners(text: str) -> str:
    """Return the text without those that stand between two letters which join, one at a time.

    What is left of them would make two names look alike.
    """
    return _JOINER.sub("", text)

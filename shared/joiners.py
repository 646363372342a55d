"""Joiner and non-joiner: invisible characters that words of Persian and of Indian languages need."""

import re

_JOINED = "\u0600-\u1cff"
"""The scripts from Arabic to those of India and Indochina."""
_JOINER = re.compile(f"(?<=[{_JOINED}])[\u200c\u200d](?=[{_JOINED}])")


def without_joiners(text: str) -> str:
    """Return the text without its legitimate joiners: single ones between two letters that join.

    Any that remain would make two names look alike.
    """
    return _JOINER.sub("", text)

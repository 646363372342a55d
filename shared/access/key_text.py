"""The text of an API key: `todoke_<environment>_<id>_<secret><checksum>`.

The checksum distinguishes a mistyped or incomplete key from a wrong one without a look-up, and lets secret scanners be
sure of what they found. The id appears in logs and lists; the secret is 256 random bits.
"""

import hashlib
import re
import secrets
import string
import zlib
from typing import NamedTuple

from shared.errors import TodokeError

PREFIX = "todoke_"
TOKENS = "oidc:"
"""Subjects of tokens begin with this, and names of keys do not, so one is never taken for the other."""
_LONGEST_NAME = 100
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BASE36 = string.digits + string.ascii_lowercase
_ID_CHARACTERS = 12
_SECRET_CHARACTERS = 43  # of 62: 256 bits
_CHECKSUM_CHARACTERS = 6  # of 62: 32 bits
ENVIRONMENT = r"[a-z0-9]{1,16}"
"""What the environment of a key may be called."""
_KEY = re.compile(rf"{PREFIX}({ENVIRONMENT})_([a-z0-9]{{{_ID_CHARACTERS}}})_[0-9A-Za-z]{{49}}")


class MalformedKey(TodokeError):
    """A text is not a whole API key. The message says what is wrong with it, and quotes nothing of it."""


class KeyText(NamedTuple):
    """A whole key, without its secret."""

    environment: str
    id: str
    sha256: bytes
    """The digest of the whole text, which is what the database stores."""


def name_problem(name: str) -> str | None:
    """Say why the text cannot name a key, and how to mend it; None if it can."""
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        return f"must be a name of 1 to {_LONGEST_NAME} visible characters, for example ci"
    return f"must not begin with {TOKENS}: such are the subjects of tokens" if name.startswith(TOKENS) else None


def new_key(environment: str) -> str:
    """Return a new key. Secret."""
    key_id = "".join(secrets.choice(_BASE36) for _ in range(_ID_CHARACTERS))
    secret = "".join(secrets.choice(_BASE62) for _ in range(_SECRET_CHARACTERS))
    body = f"{PREFIX}{environment}_{key_id}_{secret}"
    return body + _checksum(body)


def read_key(key: str) -> KeyText:
    """Return the parts of a key. Raises MalformedKey if the text is not a key, or was changed."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise MalformedKey("is not written like one: todoke_<environment>_<id>_<secret>, copied whole")
    if key[-_CHECKSUM_CHARACTERS:] != _checksum(key[:-_CHECKSUM_CHARACTERS]):
        raise MalformedKey("has a wrong checksum: a character is missing or was changed")
    # 256 random bits need no slow hash.
    return KeyText(match[1], match[2], hashlib.sha256(key.encode()).digest())


def id_number(key_id: str) -> int:
    """Return the id as a number, below 2**63."""
    return int(key_id, 36)


def id_of_number(number: int) -> str:
    """Return the id of that number."""
    digits = ""
    for _ in range(_ID_CHARACTERS):
        number, digit = divmod(number, len(_BASE36))
        digits = _BASE36[digit] + digits
    return digits


def _checksum(body: str) -> str:
    left = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECKSUM_CHARACTERS):
        left, digit = divmod(left, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits

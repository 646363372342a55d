"""The keys with which secrets are encrypted before the database stores them: those of webhooks, and passwords of files.

A service must be able to show or use these secrets again, so hashes would not do. The keys are in the file that
SECRETS_KEY_FILE names and never in the database, so a copy of the database reveals nothing. Sealing is AES-256-GCM with
96 random bits as the nonce (NIST SP 800-38D, sections 5.2.1.1 and 8.2.2), which allows 2**32 secrets per key. The owner
of a secret is sealed with it, so that the secret of one row is useless in another.
"""

import base64
import binascii
import hmac
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import TodokeError

KEY_ID = r"[a-z0-9][a-z0-9._-]{0,31}"
"""What a key may be called."""
_LINE = re.compile(rf"({KEY_ID})[ \t]+([A-Za-z0-9+/=_-]+)")
_KEY_BYTES = 32
_NONCE_BYTES = 12
_DIGEST = b"todoke: digest of a request"
_EXAMPLE = "write lines such as `2026-11 BASE64`, with what `openssl rand -base64 32` prints"


class SecretKeysWrong(TodokeError):
    """The file of keys is missing or is not one. The message says what is wrong, and quotes no key."""


class SecretsNotKept(TodokeError):
    """No file of keys is configured, so no secret can be stored."""

    def __init__(self) -> None:
        super().__init__(
            "secrets cannot be stored, because SECRETS_KEY_FILE is not set; ask the operator of the service"
        )


class SecretNotReadable(TodokeError):
    """A sealed secret cannot be opened with the current keys."""


class Sealed(NamedTuple):
    """A secret as the database stores it."""

    key_id: str
    """The id of the key that opens it."""
    content: bytes
    """The nonce, and the sealed text with its tag."""


class SecretKeys:
    """The keys of a file: the last line seals, and all of them open. Safe to use from several threads.

    The file is read again when it has changed, so keys can be added and removed without a restart.
    """

    def __init__(self, file: Path | None) -> None:
        """Raises SecretKeysWrong if there is a file and it cannot be used. Without a file, every use is refused."""
        self._file = file
        self._read: _Read | None = None
        if file is not None:
            self._now()

    @property
    def kept(self) -> bool:
        """True if there are keys, so that secrets can be stored."""
        return self._file is not None

    @property
    def names(self) -> Sequence[str]:
        """The names of the keys, in the order of the file. Raises SecretsNotKept and SecretKeysWrong."""
        return list(self._now().by_id)

    @property
    def newest(self) -> str:
        """The name of the key that seals. Raises SecretsNotKept and SecretKeysWrong."""
        return self._now().newest

    def seal(self, secret: bytes, *, of: str) -> Sealed:
        """Seal a secret of the owner `of`, such as `webhook:<id>`. Raises SecretsNotKept and SecretKeysWrong."""
        keys = self._now()
        nonce = os.urandom(_NONCE_BYTES)
        return Sealed(keys.newest, nonce + AESGCM(keys.by_id[keys.newest]).encrypt(nonce, secret, of.encode()))

    def open(self, sealed: Sealed, *, of: str) -> bytes:
        """Return the secret that was sealed for that owner.

        Raises SecretsNotKept, SecretKeysWrong and SecretNotReadable.
        """
        key = self._now().by_id.get(sealed.key_id)
        if key is None:
            raise SecretNotReadable(
                f"the secret was sealed with the key {sealed.key_id!r}, which {self._file} does not have: put its line "
                "back above the others"
            )
        nonce, content = sealed.content[:_NONCE_BYTES], sealed.content[_NONCE_BYTES:]
        try:
            return AESGCM(key).decrypt(nonce, content, of.encode())
        except (InvalidTag, ValueError):
            raise SecretNotReadable(
                f"the secret does not open with the key {sealed.key_id!r}: the line of that name is another key than "
                "when it was sealed, or the row was changed"
            ) from None

    def digests(self, content: bytes) -> Sequence[str]:
        """Return digests of a request that contains a secret: by the newest key, then by each other.

        Raises SecretKeysWrong. They reveal nothing of its content, not even to somebody who has the database and tries
        all likely secrets. Without keys there is no digest, and no request matches.
        """
        if self._file is None:
            return (os.urandom(_KEY_BYTES).hex(),)
        keys = self._now()
        found = [keys.by_id[keys.newest], *(key for name, key in keys.by_id.items() if name != keys.newest)]
        # A key of its own: the key that seals is used for nothing else.
        return [hmac.digest(hmac.digest(key, _DIGEST, "sha256"), content, "sha256").hex() for key in found]

    def _now(self) -> "_Read":
        if self._file is None:
            raise SecretsNotKept
        try:
            about = self._file.stat()
            version = (about.st_mtime_ns, about.st_size, about.st_ino)
            if self._read is None or self._read.version != version:
                self._read = _Read(version, *read_keys(self._file.read_text("ascii")))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it holds more than ASCII text"
            raise SecretKeysWrong(f"SECRETS_KEY_FILE: {self._file} cannot be read: {reason}") from None
        except SecretKeysWrong as error:
            raise SecretKeysWrong(f"SECRETS_KEY_FILE: {self._file}: {error}") from None
        return self._read


class _Read(NamedTuple):
    """The content of the file when it was last read."""

    version: tuple[int, int, int]
    by_id: Mapping[str, bytes]
    newest: str


def read_keys(text: str) -> tuple[Mapping[str, bytes], str]:
    """Return the keys by their ids, and the id of the last.

    Raises SecretKeysWrong with the line's number and the remedy.
    """
    found: dict[str, bytes] = {}
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise SecretKeysWrong(f"line {number} is not the name of a key and the key in Base64: {_EXAMPLE}")
        key_id, key = match[1], _decoded(match[2])
        if key is None or len(key) != _KEY_BYTES:
            raise SecretKeysWrong(f"line {number} does not hold {_KEY_BYTES} bytes in Base64: {_EXAMPLE}")
        if key_id in found:
            raise SecretKeysWrong(f"line {number} names {key_id!r} again: a new key needs a name of its own")
        found[key_id] = key
    if not found:
        raise SecretKeysWrong(f"there is no key in it: {_EXAMPLE}")
    return found, key_id


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None

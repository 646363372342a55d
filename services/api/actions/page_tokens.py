"""Page tokens: the place where a list continues, signed, so that clients can neither forge one nor use it for another
list.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection, Engine

from services.api.actions.errors import PageTokenExpired, PageTokenInvalid, PageTokenMismatch
from services.api.auth.principal import Principal
from shared import json_text
from shared.access.page_keys import PageKeys, make_page_key, read_page_keys

LIVES_S = 3 * 86_400
"""Seconds for which a token works."""
_FORM = 1
"""The first byte, which names the token's format."""
_BODY = struct.Struct(">BIQ16s16s")
"""Format, week of the key, time of creation (seconds since 1970), position, digest of the filter."""
_SIGNED = 16
"""Bytes of the signature: 128 bits cannot be guessed over the network."""
_LOOK_AGAIN_S = 300.0
"""Seconds for which the keys are cached. A week's key stays valid for another week, so a late look does no harm."""


class Listing(NamedTuple):
    """A list, whom it belongs to, and what it shows."""

    operation: str
    principal: Principal
    wanted: Mapping[str, object]
    """The filter as the client wrote it."""

    @property
    def whose(self) -> bytes:
        """What is signed together with the token but is not part of it."""
        return json_text.write([self.operation, self.principal.tenant, self.principal.subject]).encode()

    @property
    def digest(self) -> bytes:
        """The digest of the filter, independent of its order."""
        named = sorted((name, value) for name, value in self.wanted.items() if value not in (None, [], {}))
        return hashlib.sha256(json_text.write(named).encode()).digest()[:16]


class PageTokens:
    """Writes and reads tokens with keys from the database, so that any API process can read another's tokens."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        """`engine` writes a new week's key, because a page's connection can only read."""
        self._engine = engine
        self._clock = clock
        self._keys: PageKeys | None = None
        self._read_at = 0.0

    def write(self, conn: Connection, listing: Listing, position: UUID) -> str:
        """Return the token for the page that follows `position`."""
        keys, now = self._known(conn)
        body = _BODY.pack(_FORM, keys.week, int(now), position.bytes, listing.digest)
        return _text(body + _signature(keys.secrets[keys.week], body, listing))

    def read(self, conn: Connection, listing: Listing, token: str) -> UUID:
        """Return the token's position. Raises PageTokenInvalid, PageTokenMismatch and PageTokenExpired."""
        raw = _bytes(token)
        if len(raw) != _BODY.size + _SIGNED or raw[0] != _FORM:
            raise PageTokenInvalid
        body = raw[: _BODY.size]
        _, week, made_at, position, digest = _BODY.unpack(body)
        keys, now = self._known(conn)
        if week > keys.week:  # another process has begun a new week
            self._keys = None
            keys, now = self._known(conn)
        if week < keys.week - 1:
            raise PageTokenExpired
        secret = keys.secrets.get(week)
        if secret is None or not hmac.compare_digest(raw[_BODY.size :], _signature(secret, body, listing)):
            raise PageTokenInvalid
        if made_at + LIVES_S < now:
            raise PageTokenExpired
        if digest != listing.digest:
            raise PageTokenMismatch
        return UUID(bytes=position)

    def _known(self, conn: Connection) -> tuple[PageKeys, float]:
        """Return the keys, and the time by the database's clock."""
        if self._keys is None or self._clock() - self._read_at > _LOOK_AGAIN_S:
            found = read_page_keys(conn)
            if found.week not in found.secrets:
                with self._engine.connect() as writing:
                    make_page_key(writing, secrets.token_bytes(32))
                    found = read_page_keys(writing)
            self._keys, self._read_at = found, self._clock()
        return self._keys, self._keys.at + self._clock() - self._read_at


def _signature(secret: bytes, body: bytes, listing: Listing) -> bytes:
    return hmac.digest(secret, body + listing.whose, "sha256")[:_SIGNED]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(token: str) -> bytes:
    if not token.isascii() or len(token) > 200:
        raise PageTokenInvalid
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise PageTokenInvalid from None

"""Page tokens: where a list goes on, signed, so that nobody makes one, and none is taken to another list."""

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
"""The first byte: another form of tokens has another."""
_BODY = struct.Struct(">BIQ16s16s")
"""Form, week of the key, when it was made (seconds since 1970), position, digest of the filter."""
_SIGNED = 16
"""Bytes of the signature: nobody guesses 128 bits over the net."""
_LOOK_AGAIN_S = 300.0
"""Seconds for which the keys are remembered. A week's key is believed for another week, so a late look harms nobody."""


class Listing(NamedTuple):
    """A list, for whom, and what it shows."""

    operation: str
    principal: Principal
    wanted: Mapping[str, object]
    """The filter as the client wrote it."""

    @property
    def whose(self) -> bytes:
        """Signed with the token, and not in it."""
        return json_text.write([self.operation, self.principal.tenant, self.principal.subject]).encode()

    @property
    def digest(self) -> bytes:
        """Of the filter, in one order."""
        named = sorted((name, value) for name, value in self.wanted.items() if value not in (None, [], {}))
        return hashlib.sha256(json_text.write(named).encode()).digest()[:16]


class PageTokens:
    """Writes and reads tokens with the keys of the database, so that any API process reads those of any other."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        """`engine` writes a new week's key, because a page's connection cannot."""
        self._engine = engine
        self._clock = clock
        self._keys: PageKeys | None = None
        self._read_at = 0.0

    def write(self, conn: Connection, listing: Listing, position: UUID) -> str:
        """The token for what comes behind `position`."""
        keys, now = self._known(conn)
        body = _BODY.pack(_FORM, keys.week, int(now), position.bytes, listing.digest)
        return _text(body + _signature(keys.secrets[keys.week], body, listing))

    def read(self, conn: Connection, listing: Listing, token: str) -> UUID:
        """The position. Raises PageTokenInvalid, PageTokenMismatch and PageTokenExpired."""
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
        """The keys, and what the database's clock says."""
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

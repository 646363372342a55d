"""API keys of the local system, where `--keys` closes its door: one for the person, one for the first reports."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy.engine import Connection

from deploy.local.processes import LocalFailure
from services.cli.keys import link_to
from shared.access import api_keys, audit, sign_in_codes
from shared.access.api_keys import Made, NewKey
from shared.access.audit import Action, Actor
from shared.access.scopes import OWN, USUAL
from shared.access.tenants import DEFAULT_TENANT
from shared.database.engine import create_engine, transactional

FIRST = "first"
"""The name of the person's key."""
_SUBJECT = "make run"
_OWN_S = 3600
"""The key for the first reports is in nobody's hands, and works no longer than they may take."""
_NEWEST = 1000
"""Keys among which the person's is looked for: one more comes with each start."""


class Door(NamedTuple):
    """What opens the API and the console."""

    key: str | None
    """None if an earlier start has printed it: it is stored nowhere."""
    link: str
    """Signs in to the console, once, for ten minutes."""


def own_key(database_url: str) -> str:
    """A key for the first reports, which works for an hour."""
    with _transaction(database_url) as conn:
        return _make(conn, NewKey("make-run", USUAL, valid_s=_OWN_S, created_by=_SUBJECT)).secret


def open_door(database_url: str, url: str) -> Door:
    """A link that signs in with the person's key, and the key itself if none was there and this has made it."""
    with _transaction(database_url) as conn:
        keys = api_keys.list_keys(conn, DEFAULT_TENANT, size=_NEWEST)
        key_id = next((key.id for key in keys if key.name == FIRST and key.revoked_at is None), None)
        secret = None
        if key_id is None:
            secret, key = _make(conn, NewKey(FIRST, OWN, created_by=_SUBJECT))
            key_id = key.id
        code = sign_in_codes.new_code()
        sign_in_codes.create(conn, code, tenant=DEFAULT_TENANT, key_id=key_id)
        _note(conn, Action.KEYS_LINK, key_id)
    return Door(secret, link_to(url, code))


def _make(conn: Connection, new: NewKey) -> Made:
    made = api_keys.make_key(conn, DEFAULT_TENANT, new)
    if made is None:  # only a request that has a name can have been there before
        raise LocalFailure(f"the key {new.name} could not be made")
    _note(conn, Action.KEYS_CREATE, made.key.id)
    return made


def _note(conn: Connection, action: Action, key_id: str) -> None:
    audit.record(conn, Actor(DEFAULT_TENANT, _SUBJECT), action, f"keys/{key_id}")


@contextlib.contextmanager
def _transaction(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url, application_name="todoke-local", pool_size=1)
    try:
        with transactional(engine).begin() as conn:
            yield conn
    finally:
        engine.dispose()

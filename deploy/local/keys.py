"""API keys of the local system, if `--keys` requires them: one for the user, one for the first reports."""

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
"""The name of the user's key."""
_SUBJECT = "make run"
_OWN_S = 3600
"""Nobody holds the key for the first reports, and it works no longer than these may take."""
_NEWEST = 1000
"""Among how many of the newest keys the user's is searched: each start adds one."""


class Door(NamedTuple):
    """Access to the API and the console."""

    key: str | None
    """None if an earlier start has printed it: the key is stored nowhere."""
    link: str
    """A link that signs in to the console, once, within ten minutes."""


def own_key(database_url: str) -> str:
    """Return a key for the first reports, which works for an hour."""
    with _transaction(database_url) as conn:
        return _make(conn, NewKey("make-run", USUAL, valid_s=_OWN_S, created_by=_SUBJECT)).secret


def open_door(database_url: str, url: str) -> Door:
    """Return a link that signs in with the user's key, and the key itself if this call has created it."""
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
    if made is None:  # only a request with a name can have come before
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

"""`todoke-server keys`: create, list, rotate and revoke API keys in the database, and create sign-in links."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from services.cli.errors import WrongCall
from shared.access import api_keys, audit, sign_in_codes
from shared.access.api_keys import ApiKey, NewKey
from shared.access.audit import Action, Actor
from shared.access.scopes import USUAL
from shared.database.engine import create_engine, transactional
from shared.database.health import check_database
from shared.errors import TodokeError
from shared.runtime.settings import KeySettings, ServiceSettings, SettingsError

_DAY_S = 86_400
_PAGE = 1_000
SUBJECT = "todoke-server"
"""The subject in the audit trail: somebody on the server, without a key."""


class _Settings(KeySettings, ServiceSettings):
    """What the command reads from its environment."""


class _NoSuchKey(TodokeError):
    """The tenant has no such key, or it has ended."""


def run(given: argparse.Namespace) -> int:
    """Do what is asked for in one transaction. Returns 1 if there was nothing to revoke."""
    try:
        settings = _Settings.from_environment(os.environ)
    except SettingsError as error:
        raise WrongCall(str(error)) from None
    engine = create_engine(
        settings.database_url.get_secret_value(),
        application_name="todoke-keys",
        pool_size=1,
        through_pooler=settings.through_pooler,
    )
    try:
        check_database(engine)
        with transactional(engine).begin() as conn:
            lines, code = _ACTIONS[given.action](conn, given, settings.key_environment)
    finally:
        engine.dispose()
    for line in lines:
        print(line, file=sys.stderr if given.action == "revoke" else sys.stdout)
    return code


def _create(conn: Connection, given: argparse.Namespace, environment: str) -> tuple[Sequence[str], int]:
    valid_s = given.days and given.days * _DAY_S
    new = NewKey(given.name, given.scopes or USUAL, environment=environment, valid_s=valid_s, created_by=SUBJECT)
    made = _made(conn, given.tenant, new)
    _note(conn, given, Action.KEYS_CREATE, made.key.id, {"name": given.name, "scopes": list(made.key.scopes)})
    return [made.secret], 0


def _rotate(conn: Connection, given: argparse.Namespace, environment: str) -> tuple[Sequence[str], int]:
    old = api_keys.get(conn, given.tenant, given.id)
    if old is None or api_keys.end_after(conn, given.tenant, given.id, given.overlap_hours * 3_600) is None:
        raise _NoSuchKey(f"{given.tenant} has no key {given.id!r} that works: `keys list` shows what there is")
    valid_s = None if old.expires_at is None else (old.expires_at - old.created_at).total_seconds()
    new = NewKey(old.name, old.scopes, environment, valid_s, created_by=SUBJECT, replaces=old.id)
    made = _made(conn, given.tenant, new)
    _note(conn, given, Action.KEYS_ROTATE, old.id, {"replacedBy": made.key.id})
    return [made.secret], 0


def _made(conn: Connection, tenant: str, new: NewKey) -> api_keys.Made:
    try:
        made = api_keys.make_key(conn, tenant, new)
    except IntegrityError:
        made = None
    if made is None:
        raise _NoSuchKey(f"the key {new.replaces!r} has a successor already: revoke it, and rotate again")
    return made


def _link(conn: Connection, given: argparse.Namespace, _: str) -> tuple[Sequence[str], int]:
    key = _working(conn, given.tenant, lambda each: given.id == each.id or given.name == each.name)
    code = sign_in_codes.new_code()
    sign_in_codes.create(conn, code, tenant=given.tenant, key_id=key.id)
    _note(conn, given, Action.KEYS_LINK, key.id, {})
    return [link_to(given.url, code)], 0


def link_to(url: str, code: sign_in_codes.Code) -> str:
    """Return the address that signs in with the code. A browser does not send the part after the `#`."""
    return f"{url.rstrip('/')}/console/sign-in#code={code.text}"


def _working(conn: Connection, tenant: str, fits: Callable[[ApiKey], bool]) -> ApiKey:
    """Return the newest key that fits and works now. Raises _NoSuchKey."""
    for key in _all(conn, tenant):
        if fits(key) and _state(key).startswith("works"):
            return key
    raise _NoSuchKey(f"{tenant} has no such key that works: `keys list` shows what there is")


def _revoke(conn: Connection, given: argparse.Namespace, _: str) -> tuple[Sequence[str], int]:
    if given.id is not None:
        revoked: Sequence[str] = [given.id] if api_keys.revoke_key(conn, given.tenant, given.id) else []
    else:
        revoked = api_keys.revoke_keys(conn, tenant=given.tenant, name=given.name)
    if not revoked:
        named = f"has the id {given.id!r}" if given.id is not None else f"is named {given.name!r}"
        raise _NoSuchKey(f"{given.tenant} has no key to revoke that {named}: `keys list` shows what there is")
    for key_id in revoked:
        _note(conn, given, Action.KEYS_REVOKE, key_id, {})
    return [f"{len(revoked)} key(s) revoked"], 0


def _list(conn: Connection, given: argparse.Namespace, _: str) -> tuple[Sequence[str], int]:
    return [_line(key) for key in _all(conn, given.tenant)], 0


def _all(conn: Connection, tenant: str) -> Iterator[ApiKey]:
    """Yield every key of the tenant, newest first."""
    before: tuple[datetime, str] | None = None
    while page := api_keys.list_keys(conn, tenant, size=_PAGE, before=before):
        yield from page
        before = (page[-1].created_at, page[-1].id)


def _line(key: ApiKey) -> str:
    used = f"used {key.last_used_at:%Y-%m-%d %H:%M}Z" if key.last_used_at else "never used"
    return "\t".join((key.id, key.name, _state(key), used, ",".join(key.scopes)))


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "works"
    return f"{'works until' if key.expires_at > datetime.now(UTC) else 'over since'} {key.expires_at:%Y-%m-%d %H:%M}Z"


def _note(conn: Connection, given: argparse.Namespace, action: Action, key_id: str, after: dict[str, object]) -> None:
    audit.record(conn, Actor(given.tenant, SUBJECT), action, f"keys/{key_id}", after=after or None)


_ACTIONS = {"create": _create, "list": _list, "rotate": _rotate, "revoke": _revoke, "link": _link}

"""`me`, `keys` and `audit`: identity, API keys and the audit trail."""

from functools import partial
from typing import Annotated

import typer

from todoke.cli import columns
from todoke.cli.common import command, group
from todoke.cli.durations import seconds
from todoke.cli.listing import Limit, write_list
from todoke.cli.output import Form
from todoke.cli.session import Session

Expires = Annotated[
    str | None, typer.Option("--expires", metavar="TIME", help="When the key expires, e.g. 2027-01-31T00:00Z.")
]
KeyId = Annotated[str, typer.Argument(metavar="KEY-ID", show_default=False)]
Key = Annotated[
    str | None, typer.Option("--idempotency-key", metavar="KEY", help="The same key always yields the same API key.")
]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "me", "todoke me", "todoke me -o json")(me)
    command(app, "audit", "todoke audit", "todoke audit --since 2026-01-31T00:00:00Z -o jsonl")(audit)
    inner = group("List, create, rotate and revoke the tenant's API keys.")
    command(inner, "list", "todoke keys list")(list_keys)
    command(
        inner,
        "create",
        "todoke keys create ci --scope jobs:create,jobs:read",
        "todoke keys create ci --scope jobs:read -o id",
    )(create)
    command(inner, "rotate", "todoke keys rotate 4fzyo82mvyr0 --overlap 1h")(rotate)
    command(inner, "revoke", "todoke keys revoke 4fzyo82mvyr0")(revoke)
    app.add_typer(inner, name="keys")


def me(session: Session) -> None:
    """Show your identity and scopes on the server."""
    session.write.one(session.todoke.me().raw, columns.ME, id_field="subject")


def list_keys(session: Session) -> None:
    """List keys, including revoked ones, newest first."""
    write_list(session, "keys", session.todoke.keys.list, columns.KEYS, id_field="keyId", limit=None)


def create(
    session: Session,
    name: Annotated[
        str, typer.Argument(metavar="NAME", show_default=False, help="Who uses the key; jobs belong to this name.")
    ],
    scope: Annotated[list[str], typer.Option("--scope", metavar="SCOPE", help="A scope to grant; may be repeated.")],
    expires: Expires = None,
    idempotency_key: Key = None,
) -> None:
    """Create an API key with scopes that you have. Prints it once, alone on stdout."""
    scopes = [one for given in scope for one in given.split(",") if one]
    made = session.todoke.keys.create(name, scopes, expires_at=expires, idempotency_key=idempotency_key)
    _told(session, made.raw, made.secret, made.key.id)


def rotate(
    session: Session,
    key_id: KeyId,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="TIME", help="How long the old key keeps working.")
    ] = "1d",
    expires: Expires = None,
    idempotency_key: Key = None,
) -> None:
    """Replace a key by one with the same name and scopes. Prints the new key once, alone on stdout."""
    made = session.todoke.keys.rotate(
        key_id, overlap_seconds=int(seconds(overlap, "--overlap")), expires_at=expires, idempotency_key=idempotency_key
    )
    _told(session, made.raw, made.secret, made.key.id)


def revoke(session: Session, key_id: KeyId) -> None:
    """Revoke a key. Repeating this is harmless."""
    session.todoke.keys.revoke(key_id)
    session.say(f"{key_id} revoked")


def audit(
    session: Session,
    action: Annotated[str | None, typer.Option("--action", metavar="ACTION", help="Only this action.")] = None,
    subject: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Only changes by this name.")] = None,
    about: Annotated[
        str | None, typer.Option("--object", metavar="OBJECT", help="Only changes to this object.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only changes since this time.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only changes before this time.")] = None,
    limit: Limit = 20,
) -> None:
    """List who changed what, newest first."""
    entries = partial(session.todoke.audit.list, action=action, subject=subject, object=about, since=since, until=until)
    write_list(session, "entries", entries, columns.AUDIT, id_field="id", limit=limit)


def _told(session: Session, raw: object, secret: str | None, key_id: str) -> None:
    if session.write.form in {Form.JSON, Form.JSONL}:
        session.write.one(raw, columns.KEYS, id_field="keyId")
    elif session.write.form is Form.ID:
        typer.echo(key_id)
    elif secret is not None:
        typer.echo(secret)
        session.say(f"created key {key_id}; it is not shown again")
    else:
        session.say(f"key {key_id} was already created and shown then; if it is lost, revoke it and create another")

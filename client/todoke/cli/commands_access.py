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

Expires = Annotated[str | None, typer.Option("--expires", metavar="TIME", help="When it ends, e.g. 2027-01-31T00:00Z.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY-ID", show_default=False)]
Key = Annotated[str | None, typer.Option("--idempotency-key", metavar="KEY", help="The same key makes one API key.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "me", "todoke me", "todoke me -o json")(me)
    command(app, "audit", "todoke audit", "todoke audit --since 2026-01-31T00:00:00Z -o jsonl")(audit)
    inner = group("List the tenant's API keys, and make, rotate and revoke them.")
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
    """Show who you are for the server, and what you may do."""
    session.write.one(session.todoke.me().raw, columns.ME, id_field="subject")


def list_keys(session: Session) -> None:
    """List keys, newest first, revoked ones too."""
    write_list(session, "keys", session.todoke.keys.list, columns.KEYS, id_field="keyId", limit=None)


def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Who uses it: jobs belong to it.")],
    scope: Annotated[list[str], typer.Option("--scope", metavar="SCOPE", help="What it may do; may be repeated.")],
    expires: Expires = None,
    idempotency_key: Key = None,
) -> None:
    """Make an API key, with scopes that you have. It is printed once, alone on stdout."""
    scopes = [one for given in scope for one in given.split(",") if one]
    made = session.todoke.keys.create(name, scopes, expires_at=expires, idempotency_key=idempotency_key)
    _told(session, made.raw, made.secret, made.key.id)


def rotate(
    session: Session,
    key_id: KeyId,
    overlap: Annotated[str, typer.Option("--overlap", metavar="TIME", help="How long the old one works on.")] = "1d",
    expires: Expires = None,
    idempotency_key: Key = None,
) -> None:
    """Make a key that follows another, of its name and scopes. The new one is printed once, alone on stdout."""
    made = session.todoke.keys.rotate(
        key_id, overlap_seconds=int(seconds(overlap, "--overlap")), expires_at=expires, idempotency_key=idempotency_key
    )
    _told(session, made.raw, made.secret, made.key.id)


def revoke(session: Session, key_id: KeyId) -> None:
    """End a key. Once more is harmless."""
    session.todoke.keys.revoke(key_id)
    session.say(f"{key_id} works no more")


def audit(
    session: Session,
    action: Annotated[str | None, typer.Option("--action", metavar="ACTION", help="Only this action.")] = None,
    subject: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Only by this one.")] = None,
    about: Annotated[str | None, typer.Option("--object", metavar="OBJECT", help="Only about this.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only of this moment and later.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only of before this moment.")] = None,
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
        session.say(f"this is key {key_id}; it is not shown again")
    else:
        session.say(f"key {key_id} was made before, and shown then: if it was lost, revoke it and make another")

"""`todoke-server secrets`: what old keys have encrypted is encrypted with the newest, without loss."""

import base64
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.cli.__main__ import main
from shared.access.secret_keys import SecretKeys
from shared.ids import uuid7
from shared.webhooks import sealing
from shared.webhooks.store import owner_of_secret, secrets_of

_WEBHOOK = text("""
    INSERT INTO webhooks (id, tenant, url, origin, types, description)
    VALUES (:id, 'acme', 'https://example.com/', 'https://example.com', '{job.failed}', '')
""")
_SECRET = text("INSERT INTO webhook_secrets (webhook_id, number, key_id, sealed) VALUES (:id, 1, :key_id, :sealed)")


def test_secrets_are_sealed_anew_with_the_newest_key(
    conn: Connection,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "secrets.keys"
    lines = [f"{name} {base64.b64encode(bytes([at]) * 32).decode()}\n" for at, name in enumerate(("old", "lost"))]
    file.write_text("".join(lines))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("SECRETS_KEY_FILE", str(file))
    webhooks = [uuid7() for _ in range(sealing.SLICE + 3)]
    for at, webhook in enumerate(webhooks):
        conn.execute(_WEBHOOK, {"id": webhook})
        secret = SecretKeys(file).seal(b"secret %d" % at, of=owner_of_secret(webhook))
        conn.execute(_SECRET, {"id": webhook, "key_id": secret.key_id, "sealed": secret.content})
        file.write_text(lines[0])
    file.write_text(lines[0] + f"new {base64.b64encode(bytes([9]) * 32).decode()}\n")

    assert main(["secrets", "list"]) == 1, "one key is lost"
    assert capsys.readouterr().out.splitlines() == [
        f"old\t{sealing.SLICE + 2}\tTrue\tFalse",
        "new\t0\tTrue\tTrue",
        "lost\t1\tFalse\tFalse",
    ]
    assert main(["secrets", "reseal"]) == 1
    told = capsys.readouterr().err
    assert f"{sealing.SLICE + 2} secret(s) sealed with new" in told
    assert f"webhooks/{webhooks[0]}: the secret was sealed with the key 'lost'" in told
    found = secrets_of(conn, webhooks)
    assert SecretKeys(file).open(found[webhooks[1]][0], of=owner_of_secret(webhooks[1])) == b"secret 1"
    assert [found[one][0].key_id for one in webhooks] == ["lost"] + ["new"] * (sealing.SLICE + 2)
    trail = conn.execute(text("SELECT tenant, subject, object, before, after FROM audit ORDER BY id")).all()
    moved = {"secretsKey": "old"}, {"secretsKey": "new"}
    assert trail == [("acme", "todoke-server", f"webhooks/{one}", *moved) for one in sorted(webhooks[1:])]

    file.write_text("".join(lines) + file.read_text().splitlines()[-1])
    assert main(["secrets", "reseal"]) == 0
    assert main(["secrets", "list", "-o", "json"]) == 0
    monkeypatch.delenv("SECRETS_KEY_FILE")
    assert main(["secrets", "list"]) == 2

"""Stories of webhooks: one is created, tried, changed and deleted; one answers 410; old events are deleted.

What every job's end owes to the webhooks of its tenant (`tests/protocol/crash/told.py`) is a part of every story.
"""

from typing import Any
from uuid import uuid4

from sqlalchemy import text

from shared.webhooks import deliveries, store
from shared.webhooks.event import new_secret
from tests.protocol.crash.play import Play
from tests.protocol.crash.told import GONE, TENANTS
from tests.support.eventually import NotYet
from tests.support.webhooks import a_webhook, secret_keys

_SOME = 6
"""More than are on their way to one webhook at a time: the others wait when the first is answered."""


def refusing(play: Play) -> None:
    """One that answers 410 is disabled, and what else waits for it is given up."""
    stage = play.stage
    with play.paused("relay"):
        gone = a_webhook(
            stage.conn, secret_keys(stage.folder), stage.told.url + GONE, tenant=TENANTS[0], types=()
        )  # fmt: skip
        for _ in range(_SOME):
            deliveries.ping(stage.conn, gone, TENANTS[0])
    states = text("SELECT disabled_because, d.state FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id "
                  "WHERE w.id = :id GROUP BY 1, 2")  # fmt: skip
    play.until(
        lambda: [tuple(row) for row in stage.conn.execute(states, {"id": gone})] == [("gone", "dead")],
        what="it is disabled, and nothing waits for it",
    )


def long_ago(play: Play) -> None:
    """What was told long ago is forgotten with its deliveries, and so is a secret whose time is over.

    The relay looks for such when it starts.
    """
    stage = play.stage
    conn = stage.conn
    keys = secret_keys(stage.folder)
    with play.restarted("relay"):
        told = a_webhook(conn, keys, stage.told.url + GONE, tenant=TENANTS[0], types=())
        store.rotate(conn, told, keys.seal(new_secret(), of=store.owner_of_secret(told)), overlap_s=0)
        old = {"webhook": told, "event": "01000000-0000-7000-8000-" + uuid4().hex[:12]}
        conn.execute(text("INSERT INTO webhook_events (id, tenant, type, webhook_id, spread_at) "
                          "VALUES (:event, 'default', 'webhook.ping', :webhook, now())"), old)  # fmt: skip
        conn.execute(text("INSERT INTO webhook_deliveries (webhook_id, event_id, tenant, body, state, ended_at) "
                          "VALUES (:webhook, :event, 'default', '{}', 'dead', now())"), old)  # fmt: skip
    left = text("SELECT (SELECT count(*) FROM webhook_events WHERE id = CAST(:event AS uuid)) + "
                "(SELECT count(*) FROM webhook_deliveries WHERE webhook_id = :webhook) + "
                "(SELECT count(*) FROM webhook_secrets WHERE webhook_id = :webhook)")  # fmt: skip
    play.until(lambda: conn.execute(left, old).scalar_one() == 1, what="only the secret that signs is left")


def hooking(play: Play) -> None:
    """A webhook is made, tried, rotated, tried again, changed and deleted, each asked for until it is answered."""
    stage = play.stage
    key = str(uuid4())

    def asked(path: str, content: object = None, method: str = "POST") -> Any:
        status, answer = stage.ask(path, content, method=method, Idempotency_Key=key)
        if not (200 <= status < 300 or (method == "DELETE" and status == 404)):
            raise NotYet(f"{status} {answer}")
        return answer or True

    body = {"url": f"{stage.told.url}/asked", "types": ["schedule.missed"]}
    own = play.until(lambda: asked("/v1/webhooks", body), what="a webhook is made")["links"]["self"]
    ping = play.until(lambda: asked(f"{own}:test"), what="it is tried")["links"]["self"]
    play.until(lambda: asked(f"{own}:rotate", {"overlapSeconds": 60}), what="a new secret is made")
    play.until(lambda: asked(f"{ping}:redeliver"), what="it is told again")
    since = {"since": "2026-01-01T00:00:00Z"}
    play.until(lambda: asked(f"{own}:redeliver", since), what="it is told all that was given up")
    play.until(lambda: asked(own, {"description": "changed"}, "PATCH"), what="it is changed")
    play.until(lambda: asked(own, method="DELETE"), what="it is deleted")

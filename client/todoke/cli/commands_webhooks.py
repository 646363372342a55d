"""`webhooks`: addresses that receive events."""

import itertools
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from todoke.cli import columns, listening
from todoke.cli.common import command
from todoke.cli.conditions import NotifyWhen, conditions
from todoke.cli.durations import seconds
from todoke.cli.exits import WrongCall
from todoke.cli.output import Form
from todoke.cli.session import Session
from todoke.cli.terminal import is_terminal

if TYPE_CHECKING:
    from todoke.webhook_values import WebhookChanges

_SAMPLE = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"
_EVENTS = "job.succeeded, job.failed, job.cancelled, job.expired, schedule.missed or schedule.failed"
Id = Annotated[str, typer.Argument(metavar="WEBHOOK-ID", show_default=False)]
DeliveryId = Annotated[str, typer.Argument(metavar="DELIVERY-ID", show_default=False)]
Url = Annotated[str, typer.Argument(metavar="URL", show_default=False, help="A public https address.")]
Events = Annotated[
    list[str] | None, typer.Option("--event", metavar="TYPE", help=f"{_EVENTS}; may be repeated. Default: all.")
]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Only events about this report type; may be repeated."),
]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What receives the events.")]
Key = Annotated[
    str | None, typer.Option("--idempotency-key", metavar="KEY", help="The same key always yields the same webhook.")
]
State = Annotated[
    str | None,
    typer.Option("--state", metavar="STATE", help="Only deliveries in this state: waiting, delivered or dead."),
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", help="Maximum number of items.", min=1)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    inner = typer.Typer(
        help="Send events to other services.", no_args_is_help=True,
        rich_markup_mode=None,
    )  # fmt: skip
    command(inner, "list", "todoke webhooks list", "todoke webhooks list -o jsonl")(list_webhooks)
    command(inner, "show", f"todoke webhooks show {_SAMPLE}")(show)
    command(
        inner, "create",
        "todoke webhooks create https://example.com/todoke",
        "todoke webhooks create https://example.com/todoke --event job.failed --type carrier-delays",
    )(create)  # fmt: skip
    command(
        inner, "update",
        f"todoke webhooks update {_SAMPLE} --address https://example.com/other",
        f"todoke webhooks update {_SAMPLE} --enable",
    )(update)  # fmt: skip
    command(inner, "test", f"todoke webhooks test {_SAMPLE}")(test)
    command(inner, "rotate", f"todoke webhooks rotate {_SAMPLE} --overlap 12h")(rotate)
    command(
        inner,
        "deliveries",
        f"todoke webhooks deliveries {_SAMPLE}",
        f"todoke webhooks deliveries {_SAMPLE} --state dead",
    )(deliveries)
    command(inner, "delivery", f"todoke webhooks delivery {_SAMPLE} {_SAMPLE} -o json")(delivery)
    command(
        inner, "redeliver",
        f"todoke webhooks redeliver {_SAMPLE} {_SAMPLE}",
        f"todoke webhooks redeliver {_SAMPLE} --since 2026-01-31T00:00:00Z",
    )(redeliver)  # fmt: skip
    command(
        inner, "listen",
        "todoke webhooks listen --forward-to http://localhost:3000/webhooks",
        "todoke webhooks listen --forward-to http://localhost:3000/ --event job.failed --count 1 -o jsonl",
    )(listen)  # fmt: skip
    command(inner, "delete", f"todoke webhooks delete {_SAMPLE} --yes")(delete)
    app.add_typer(inner, name="webhooks")


def list_webhooks(session: Session) -> None:
    """List the tenant's webhooks, newest first."""
    token: str | None = None
    raws = []
    while True:
        page = session.todoke.webhooks.list(page_size=100, page_token=token)
        raws += [one.raw for one in page.webhooks]
        token = page.next_page_token
        if token is None:
            break
    session.write.whole({"webhooks": raws, "nextPageToken": None}, raws, columns.WEBHOOKS, id_field="webhookId")


def show(session: Session, webhook: Id) -> None:
    """Show a webhook, without its secret."""
    session.write.one(session.todoke.webhooks.get(webhook).raw, columns.WEBHOOKS, id_field="webhookId")


def create(
    session: Session,
    address: Url,
    event: Events = None,
    report_type: Types = None,
    notify_when: NotifyWhen = None,
    description: Description = None,
    idempotency_key: Key = None,
) -> None:
    """Create a webhook: send the tenant's events to an address. Shows its secret once."""
    made = session.todoke.webhooks.create(
        address, types=event, report_types=report_type, notify_when=conditions(notify_when), description=description,
        idempotency_key=idempotency_key,
    )  # fmt: skip
    session.write.one(made.raw, columns.MADE_WEBHOOK, id_field="webhookId")
    if made.secret is not None and session.write.form is not Form.ID:
        session.say("The secret is shown only once. Store it where the receiver can read it.")


def update(
    session: Session,
    webhook: Id,
    address: Annotated[str | None, typer.Option("--address", metavar="URL", help="New address.")] = None,
    event: Events = None,
    report_type: Types = None,
    notify_when: NotifyWhen = None,
    description: Description = None,
    enable: Annotated[
        bool | None,
        typer.Option("--enable/--disable", help="Turn it on or off. Turning it off drops waiting deliveries."),
    ] = None,
) -> None:
    """Change only the given options."""
    changes: WebhookChanges = {}
    if address is not None:
        changes["url"] = address
    if event is not None:
        changes["types"] = event
    if report_type is not None:
        changes["report_types"] = report_type
    if notify_when is not None:
        changes["notify_when"] = conditions(notify_when)
    if description is not None:
        changes["description"] = description
    if enable is not None:
        changes["enabled"] = enable
    if not changes:
        raise WrongCall("nothing to change: see todoke webhooks update --help")
    changed = session.todoke.webhooks.update(webhook, **changes)
    session.write.one(changed.raw, columns.WEBHOOKS, id_field="webhookId")


def test(session: Session, webhook: Id) -> None:
    """Send a test ping. Prints the delivery's id for `todoke webhooks delivery`."""
    found = session.todoke.webhooks.test(webhook)
    raw = {"deliveryId": found, "webhookId": webhook}
    session.write.one(raw, columns.PING, id_field="deliveryId")


def rotate(
    session: Session,
    webhook: Id,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="TIME", help="How long the previous secret also signs.")
    ] = "24h",
) -> None:
    """Create a new secret and show it once."""
    made = session.todoke.webhooks.rotate(webhook, overlap_seconds=int(seconds(overlap, "--overlap")))
    session.write.one(made.raw, columns.ROTATED_SECRET, id_field="webhookId")


def deliveries(session: Session, webhook: Id, state: State = None, limit: Limit = 20) -> None:
    """List deliveries of a webhook, sent and waiting, newest first."""
    found = session.todoke.webhooks.iter(webhook, state=state, page_size=min(limit, 100))
    raws = [one.raw for one in itertools.islice(found, limit)]
    session.write.whole({"deliveries": raws, "nextPageToken": None}, raws, columns.DELIVERIES, id_field="deliveryId")


def delivery(session: Session, webhook: Id, delivery: DeliveryId) -> None:
    """Show a delivery; with -o json, the raw bytes of every attempt."""
    session.write.one(session.todoke.webhooks.delivery(webhook, delivery).raw, columns.DELIVERY, id_field="deliveryId")


def redeliver(
    session: Session,
    webhook: Id,
    delivery: Annotated[str | None, typer.Argument(metavar="DELIVERY-ID", show_default=False)] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="All deliveries that failed since then.")
    ] = None,
) -> None:
    """Resend one delivery, or all that failed since a given time."""
    if (delivery is None) == (since is None):
        raise WrongCall("give a delivery id, or --since TIME")
    if since is not None:
        many = session.todoke.webhooks.redeliver_since(webhook, since)
        session.write.one({"deliveries": many, "webhookId": webhook}, columns.REDELIVERED, id_field="webhookId")
        return
    again = session.todoke.webhooks.redeliver(webhook, delivery or "")
    session.write.one(again.raw, columns.DELIVERY, id_field="deliveryId")


def listen(
    session: Session,
    forward_to: Annotated[
        str,
        typer.Option("--forward-to", metavar="URL", help="Local address to forward to, e.g. http://localhost:3000/"),
    ],
    event: Events = None,
    report_type: Types = None,
    notify_when: NotifyWhen = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", help="Stop after this many messages.", min=1)
    ] = None,
) -> None:
    """Forward events to a local program until Ctrl-C: for testing a receiver, with real signatures.

    Creates a temporary webhook, shows its secret, and deletes it at the end. This machine needs no public address.
    """
    wanted = {"types": event, "report_types": report_type, "notify_when": conditions(notify_when)}
    listening.listen(session, forward_to, wanted, count)


def delete(session: Session, webhook: Id, yes: Yes = False) -> None:
    """Delete a webhook with its secrets and deliveries. Waiting deliveries are not sent."""
    if not yes:
        if not is_terminal(sys.stdin):
            raise WrongCall("webhooks delete: pass --yes when there is no terminal for the confirmation")
        found = session.todoke.webhooks.get(webhook)
        typer.confirm(f"Delete the webhook at {found.url}?", abort=True, err=True)
    session.todoke.webhooks.delete(webhook)

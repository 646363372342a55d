"""`admin dead-letters` and `admin parked`: messages that were put aside."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol

import typer

from todoke.cli import columns
from todoke.cli.common import command, group
from todoke.cli.exits import Ended, Exit, WrongCall
from todoke.cli.listing import Limit, write_list
from todoke.cli.session import Session
from todoke.cli.terminal import is_terminal, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from todoke._core.operating import Which
    from todoke.admin import Admin
    from todoke.put_aside import HandledMessages

_SAMPLE = "5fea7756-0ea4-451a-a703-a558b933e274"
Ids = Annotated[list[str], typer.Argument(metavar="[ID]...", show_default=False, help="Ids of the messages.")]
Every = Annotated[bool, typer.Option("--all", help="All messages, instead of ids.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Reason, recorded in the audit trail.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]


class Wanted(NamedTuple):
    """The options of a command that changes messages."""

    which: "Which"
    reason: str
    dry_run: bool
    yes: bool


class Act(Protocol):
    """A method of the client that acts on messages."""

    def __call__(self, which: "Which", /, *, reason: str, dry_run: bool = False) -> "HandledMessages":
        """Act, or with `dry_run` return what would be done."""


def add(inner: typer.Typer) -> None:
    """Add the commands to those of `admin`."""
    letters = group("List, resend or delete dead letters.")
    command(letters, "list", "todoke admin dead-letters list")(list_dead_letters)
    command(
        letters, "redrive",
        f"todoke admin dead-letters redrive {_SAMPLE} --reason 'the policy is mended'",
        "todoke admin dead-letters redrive --all --reason 'the policy is mended' --dry-run",
    )(_redrive)  # fmt: skip
    command(letters, "drop", f"todoke admin dead-letters drop {_SAMPLE} --reason 'not ours' --yes")(_drop_dead_letters)
    inner.add_typer(letters, name="dead-letters")
    parked = group("List, resend or delete parked messages.")
    command(parked, "list", "todoke admin parked list -o json")(list_parked)
    command(parked, "requeue", "todoke admin parked requeue --all --reason 'the topic has a queue now'")(_requeue)
    command(parked, "drop", "todoke admin parked drop 7 --reason 'nobody reads the topic' --yes")(_drop_parked)
    inner.add_typer(parked, name="parked")


def list_dead_letters(session: Session, limit: Limit = 100) -> None:
    """List the messages in the dead-letter queue, oldest first."""
    pages = session.todoke.admin.list_dead_letters
    write_list(session, "deadLetters", pages, columns.DEAD_LETTERS, id_field="messageId", limit=limit)


def list_parked(session: Session, limit: Limit = 100) -> None:
    """List parked messages, oldest first: outbox messages that cannot be sent as they are."""
    pages = session.todoke.admin.list_parked_messages
    write_list(session, "messages", pages, columns.PARKED, id_field="id", limit=limit)


def _acting(method: Callable[["Admin"], Act], question: str, noun: str, told: str) -> Callable[..., None]:
    """Build a command that acts on messages: `question` has a place for their number, `told` begins its help."""

    def act(
        session: Session, reason: Reason, ids: Ids = [], every: Every = False, dry_run: DryRun = False, yes: Yes = False  # noqa: B006
    ) -> None:  # fmt: skip
        if bool(ids) == every:
            raise WrongCall("give message ids, or --all")
        wanted = Wanted("all" if every else ids, reason, dry_run, yes)
        _handle(session, method(session.todoke.admin), wanted, question, noun)

    act.__doc__ = f"{told}\n\nShows the messages and asks for confirmation."
    return act


_redrive = _acting(
    lambda admin: admin.redrive_dead_letters, "Resend {}?", "dead letter",
    "Resend dead letters to the queue. A relay does it within seconds. With --all: those that name a job.",
)  # fmt: skip
_drop_dead_letters = _acting(
    lambda admin: admin.drop_dead_letters, "Delete {}?", "dead letter",
    "Delete dead letters. A relay does it within seconds. No job is lost.",
)  # fmt: skip
_requeue = _acting(
    lambda admin: admin.requeue_parked_messages, "Resend {}?", "parked message",
    "Resend parked messages. The relay does it immediately.",
)  # fmt: skip
_drop_parked = _acting(
    lambda admin: admin.drop_parked_messages, "Delete {}?", "parked message",
    "Delete parked messages. They are not sent.",
)  # fmt: skip


def _handle(session: Session, act: Act, wanted: Wanted, question: str, noun: str) -> None:
    """List the messages, ask, and act on exactly those listed. Ends with NOT_THERE if some no longer exist."""
    if not wanted.dry_run and not wanted.yes and not is_terminal(sys.stdin):
        raise WrongCall("pass --yes when there is no terminal for the confirmation, or --dry-run to look only")
    done = act(wanted.which, reason=wanted.reason, dry_run=True)
    many = f"{len(done.ids):,} {noun}{'' if len(done.ids) == 1 else 's'}"
    if wanted.dry_run:
        session.say(f"{many} would be affected")
    elif done.ids:
        if not wanted.yes:
            session.say("\n".join(done.ids))
            typer.confirm(question.format(many), abort=True, err=True)
        missing, more = done.missing, done.more
        done = act(done.ids, reason=wanted.reason, dry_run=False)
        _tell(session, done, (*missing, *done.missing), more)
        return
    _tell(session, done, done.missing, done.more)


def _tell(session: Session, done: "HandledMessages", missing: "Sequence[str]", more: bool) -> None:
    raw = {**done.raw, "missing": list(missing), "more": more}
    session.write.whole(raw, [{"id": one} for one in done.ids], columns.MESSAGE_IDS, id_field="id")
    if more:
        session.say("more messages remain: run the command again for the next batch")
    if missing:
        say(f"not found, or already being processed: {', '.join(missing)}")
        raise Ended(Exit.NOT_THERE)

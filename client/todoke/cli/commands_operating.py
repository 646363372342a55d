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
Ids = Annotated[list[str], typer.Argument(metavar="[ID]...", show_default=False, help="Which.")]
Every = Annotated[bool, typer.Option("--all", help="In the place of ids: all of them.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the audit trail.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


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
    letters = group("Look at dead letters, send them again, or delete them.")
    command(letters, "list", "todoke admin dead-letters list")(list_dead_letters)
    command(
        letters, "redrive",
        f"todoke admin dead-letters redrive {_SAMPLE} --reason 'the policy is mended'",
        "todoke admin dead-letters redrive --all --reason 'the policy is mended' --dry-run",
    )(_redrive)  # fmt: skip
    command(letters, "drop", f"todoke admin dead-letters drop {_SAMPLE} --reason 'not ours' --yes")(_drop_dead_letters)
    inner.add_typer(letters, name="dead-letters")
    parked = group("Look at parked messages, send them again, or delete them.")
    command(parked, "list", "todoke admin parked list -o json")(list_parked)
    command(parked, "requeue", "todoke admin parked requeue --all --reason 'the topic has a queue now'")(_requeue)
    command(parked, "drop", "todoke admin parked drop 7 --reason 'nobody reads the topic' --yes")(_drop_parked)
    inner.add_typer(parked, name="parked")


def list_dead_letters(session: Session, limit: Limit = 100) -> None:
    """List what lies in the dead-letter queue: those first that were seen first."""
    pages = session.todoke.admin.list_dead_letters
    write_list(session, "deadLetters", pages, columns.DEAD_LETTERS, id_field="messageId", limit=limit)


def list_parked(session: Session, limit: Limit = 100) -> None:
    """List the parked messages, the oldest first: those of the outbox that can never be sent as they are."""
    pages = session.todoke.admin.list_parked_messages
    write_list(session, "messages", pages, columns.PARKED, id_field="id", limit=limit)


def _acting(method: Callable[["Admin"], Act], question: str, noun: str, told: str) -> Callable[..., None]:
    """Build a command that acts on messages: `question` has a place for their number, `told` begins its help."""

    def act(
        session: Session, reason: Reason, ids: Ids = [], every: Every = False, dry_run: DryRun = False, yes: Yes = False  # noqa: B006
    ) -> None:  # fmt: skip
        if bool(ids) == every:
            raise WrongCall("name messages by their ids, or say --all")
        wanted = Wanted("all" if every else ids, reason, dry_run, yes)
        _handle(session, method(session.todoke.admin), wanted, question, noun)

    act.__doc__ = f"{told}\n\nYou are shown which, and asked."
    return act


_redrive = _acting(
    lambda admin: admin.redrive_dead_letters, "Send {} again?", "dead letter",
    "Let a relay send dead letters to the queue again, within seconds. With --all: those that name a job.",
)  # fmt: skip
_drop_dead_letters = _acting(
    lambda admin: admin.drop_dead_letters, "Delete {}?", "dead letter",
    "Let a relay delete dead letters, within seconds. No job is lost by it.",
)  # fmt: skip
_requeue = _acting(
    lambda admin: admin.requeue_parked_messages, "Send {} again?", "parked message",
    "Let the relay send parked messages again, at once.",
)  # fmt: skip
_drop_parked = _acting(
    lambda admin: admin.drop_parked_messages, "Delete {}?", "parked message",
    "Delete parked messages, which nobody will send.",
)  # fmt: skip


def _handle(session: Session, act: Act, wanted: Wanted, question: str, noun: str) -> None:
    """List the messages, ask, and act on exactly those listed. Ends with NOT_THERE if some no longer exist."""
    if not wanted.dry_run and not wanted.yes and not is_terminal(sys.stdin):
        raise WrongCall("pass --yes where nobody can be asked, or --dry-run to look only")
    done = act(wanted.which, reason=wanted.reason, dry_run=True)
    many = f"{len(done.ids):,} {noun}{'' if len(done.ids) == 1 else 's'}"
    if wanted.dry_run:
        session.say(f"{many} would be met")
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
        session.say("there are more than one request is for: once more for the next ones")
    if missing:
        say(f"not there, or being dealt with already: {', '.join(missing)}")
        raise Ended(Exit.NOT_THERE)

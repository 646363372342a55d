"""`python -m deploy.tools.client_page > docs/reference/client.md`: generates the page of the Python client."""

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator, Mapping

from todoke import (
    admin,
    bulk,
    bulk_actions,
    changes,
    errors,
    estimate,
    gates,
    installation,
    jobs,
    keys,
    keys_and_audit,
    manifest,
    models,
    options,
    put_aside,
    report_types,
    results,
    rows,
    schedule_options,
    schedule_values,
    schedules,
    share_values,
    shares,
    types,
    webhook_values,
    webhooks,
    why,
)
from todoke.client import Todoke

_HEAD = """# The Python client

`pip install todoke` installs the typed module `todoke` for CPython 3.11 and newer. Its only dependency is httpx2.
[From `pip install` to a file](../tutorial/client.md) is the tutorial. This page is generated from the code
(`python -m deploy.tools.client_page`), and a test keeps it up to date.

```python
from todoke import Todoke

with Todoke("https://reports.example.com", api_key="…") as todoke:
    job = todoke.jobs.create("flights-export", {"origin": "JFK"}, formats=["xlsx"], labels={"team": "finance"})
    todoke.jobs.wait(job.id, timeout=600, on_progress=print)
    for file in todoke.jobs.download(job.id, "out"):
        print(file.path, file.sha256)
```

`AsyncTodoke` has the same methods, as coroutines; `stream`, `changes`, `iter` and the methods named `iter_…` are used
with `async for`. A `JobId` is a job's id, as a text or a UUID, or the object that another method returned for the job;
anything else raises ValueError.
"""
_RESOURCES = (
    ("Todoke", Todoke, ""), ("Jobs", jobs.Jobs, "jobs."), ("Report types", types.Types, "types."),
    ("Schedules", schedules.Schedules, "schedules."),
    ("Webhooks", webhooks.Webhooks, "webhooks."),
    ("Links to files", shares.Shares, "shares."), ("Bulk actions", bulk.Bulk, "bulk."),
    ("Keys", keys.Keys, "keys."), ("Audit trail", keys.Audit, "audit."),
    ("For operators", admin.Admin, "admin."),
)  # fmt: skip
_INPUTS = (
    options.JobOptions, options.CsvOptions, options.Submission, options.JobFilter, schedule_options.ScheduleOptions,
    schedule_options.ScheduleChanges, webhook_values.WebhookChanges,
)  # fmt: skip
_VALUES = (
    models.Accepted, models.Submitted, models.Retried, models.Job, models.JobsPage, models.Event,
    changes.JobInShort,
    models.Downloaded, results.Result, results.Preview,
    results.Artifact, results.Warning, results.JobError, results.Cost, results.Progress, rows.RowsPage,
    rows.RowsColumn, why.Why, why.Reason,
    estimate.Estimate, estimate.Expected, estimate.Usual, estimate.Caution,
    schedule_values.Schedule, schedule_values.SchedulePlan, schedule_values.ComingTick, schedule_values.SchedulesPage,
    share_values.Share, share_values.MadeShare, share_values.SharesPage,
    schedule_values.Tick, schedule_values.TicksPage, schedule_values.ScheduleRun, schedule_values.Backfill,
    webhook_values.Webhook, webhook_values.MadeWebhook, webhook_values.RotatedSecret, webhook_values.WebhooksPage,
    webhook_values.Delivery, webhook_values.DeliveriesPage, webhook_values.WholeDelivery, webhook_values.Attempt,
    webhook_values.Message,
    bulk_actions.BulkAction, bulk_actions.Matched, bulk_actions.BulkActionsPage, bulk_actions.BulkResult,
    bulk_actions.BulkResultsPage,
    report_types.ReportTypes, report_types.ReportType, report_types.Column,
    report_types.Choices, report_types.Choice, keys_and_audit.Me, keys_and_audit.Key,
    keys_and_audit.MadeKey, keys_and_audit.KeysPage, keys_and_audit.AuditPage, keys_and_audit.AuditEntry,
    gates.Gates, gates.Gate, gates.Pause, gates.Cap, gates.QueueCap,
    installation.Overview, installation.Condition, installation.Measured, installation.SeenWorker,
    installation.EndedJobs, installation.TypeTotal, put_aside.DeadLettersPage, put_aside.DeadLetter,
    put_aside.ParkedMessagesPage, put_aside.ParkedMessage, put_aside.HandledMessages,
    manifest.Proof,
)  # fmt: skip


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, *_methods(), *_inputs(), *_values(), *_proofs(), *_errors()]).rstrip() + "\n"


def _methods() -> Iterator[str]:
    for title, kind, prefix in _RESOURCES:
        yield f"## {title}\n"
        if kind is Todoke:
            yield f"```python\n{_call('Todoke', kind.__init__)}\n```\n"
        yield f"{_text(kind)}\n"
        for name, method in vars(kind).items():
            if not name.startswith("_") and inspect.isfunction(method):
                yield f"```python\n{_call(f'todoke.{prefix}{name}', method)}\n```\n\n{_text(method)}\n"


def _inputs() -> Iterator[str]:
    yield "## Keyword arguments\n"
    for kind in _INPUTS:
        yield f"### {kind.__name__}\n\n{_text(kind)}\n\n{_fields(kind, kind.__annotations__)}"


def _values() -> Iterator[str]:
    yield (
        "## Values\n\nAll are frozen dataclasses with `raw`, the JSON object that they were read from. Unknown fields\n"
        "and states are not errors.\n"
    )
    for kind in _VALUES:
        names = {one.name: one.type for one in dataclasses.fields(kind) if one.name != "raw"}
        yield f"### {kind.__name__}\n\n{_text(kind)}\n\n{_fields(kind, names)}"


def _proofs() -> Iterator[str]:
    """Functions of modules, which need no client: for recipients of files and of webhook messages."""
    for title, name, verify in (
        ("Manifests", "todoke.manifest.verify", manifest.verify),
        ("Messages of webhooks", "todoke.webhooks.verify", webhooks.verify),
    ):
        yield f"## {title}\n\n```python\n{_call(name, verify)}\n```\n\n{_text(verify)}\n"


def _errors() -> Iterator[str]:
    _, root, rest = (inspect.getdoc(errors) or "").partition("TodokeError\n")
    yield f"## Errors\n\n```text\n{root}{inspect.cleandoc(rest)}\n```\n"
    yield f"{_fields_of_an_error()}\n"
    names = {one.name: one.type for one in dataclasses.fields(errors.Violation)}
    yield f"### Violation\n\n{_text(errors.Violation)}\n\n{_fields(errors.Violation, names)}"


def _fields_of_an_error() -> str:
    return (
        "An `ApiError` has `status`, `code` ([stable](errors.md)), `detail`, `violations`, `hint`, `request_id` (for\n"
        "the server's log), `retryable`, `retry_after` and `problem`, the whole document. `JobFailed` has `job`,\n"
        "`code`, `message`, `hint` and `retryable`; `WaitTimedOut`, `JobCancelled` and `NotReady` have `job`. A call\n"
        "with invalid arguments raises ValueError or TypeError, and sends nothing."
    )


_JOB_ID = "str | UUID | Accepted | Submitted | Retried | Job | JobInShort"
_MODULES = re.compile(r"(?:collections\.abc|typing|todoke[\w.]*|datetime|pathlib|uuid|os|httpx2[\w.]*)\.(?=\w)")


def _call(name: str, function: object) -> str:
    """Return the signature as a person would write it."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    parameters = [one for key, one in signature.parameters.items() if key != "self"]
    shown = _MODULES.sub("", str(signature.replace(parameters=parameters)))
    shown = re.sub(r"\*?<class '?(\w+)'?>", r"\1", shown).replace(_JOB_ID, "JobId")
    shown = re.sub(r"'([A-Z]\w+)'", r"\1", shown).removesuffix(" -> None" if name == "Todoke" else "")
    if len(name + shown) <= 100:
        return name + shown
    inner, _, returns = shown.rpartition(")")
    parts = re.split(r", (?![^\[]*\])", inner.removeprefix("("))
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returns}"


def _text(of: object) -> str:
    return inspect.getdoc(of) or ""


def _fields(kind: type, annotations: Mapping[str, object]) -> str:
    described = {name: text for one in reversed(_own(kind)) for name, text in _docstrings(one).items()}
    rows = "".join(
        f"| `{name}` | {_type(shape)} | {described.get(name, '')} |\n" for name, shape in annotations.items()
    )
    return f"| field | type | meaning |\n|---|---|---|\n{rows}"


def _type(shape: object) -> str:
    text = _MODULES.sub("", inspect.formatannotation(shape))
    return "`" + text.replace("|", "\\|") + "`"


def _own(kind: type) -> list[type]:
    """Return the class and the classes of ours that it extends. A TypedDict names those only in its source."""
    named = re.findall(r"^class \w+\((\w+)", inspect.getsource(kind), re.MULTILINE)
    bases = {*kind.__bases__, *(vars(sys.modules[kind.__module__]).get(name) for name in named)}
    ours = [one for one in bases if inspect.isclass(one) and one.__module__.startswith("todoke.")]
    return [kind, *(ancestor for one in ours for ancestor in _own(one))]


def _docstrings(kind: type) -> dict[str, str]:
    """Return the docstring of each field."""
    source = inspect.getsource(kind)
    found = re.findall(r'^    (\w+): [^\n]*\n    """(.*?)"""', source, re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()) for name, text in found}


if __name__ == "__main__":
    sys.stdout.write(page())

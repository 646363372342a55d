"""The doorbell: the message that tells workers to look at one job. It carries an id and nothing else.

Every change that leaves a job waiting rings, in its own statement: whatever is committed has its message in the outbox.
"""

from uuid import UUID

from pydantic_core import SchemaValidator, ValidationError, core_schema

from shared import json_text

TOPIC = "jobs"
"""The outbox topic of doorbells."""

_MESSAGE = f"'{TOPIC}', tenant, json_build_object('jobId', id)::text"

RING = f"""INSERT INTO outbox (topic, group_key, payload, headers)
        SELECT {_MESSAGE}, trace_context"""
"""An SQL fragment that rings for each job of the rows that follow (`FROM …`), which have id, tenant, trace_context."""

RING_LATER = f"""INSERT INTO outbox_retry (topic, group_key, payload, headers, due_at)
        SELECT {_MESSAGE}, headers, due_at"""
"""Like RING, at each row's `due_at` and with its own `headers`."""

_DOORBELL = SchemaValidator(
    core_schema.typed_dict_schema({"jobId": core_schema.typed_dict_field(core_schema.uuid_schema())})
)
"""Reads and validates in one pass, because every message is read here."""


def doorbell_for(job_id: UUID) -> str:
    """Return the message that rings for one job."""
    return json_text.write({"jobId": str(job_id)})


def read_doorbell(body: str) -> tuple[UUID | None, str]:
    """Return the job that a message names, or None and the reason: `malformed` (not a JSON object) or `foreign` (not
    ours).
    """
    try:
        return _DOORBELL.validate_json(body)["jobId"], ""
    except ValidationError:
        pass
    try:
        return None, "foreign" if isinstance(json_text.read(body), dict) else "malformed"
    except ValueError:
        return None, "malformed"

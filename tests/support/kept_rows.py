"""A finished job with everything that a worker stores: a file, its first rows, a picture of a page."""

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.engine import Connection

from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import ArtifactStore, artifact_key
from shared.jobs.artifacts import Artifact
from shared.jobs.succeed import Success, succeed
from tests.support.jobs import row, started

COLUMNS = [
    {"name": "n", "title": "Number", "type": "integer"},
    {"name": "paid", "title": "Paid (€)", "type": "decimal"},
]


def rows_file(rows: Sequence[Sequence[Any]], *, of: int | None = None, columns: Sequence[Any] = COLUMNS) -> bytes:
    """Return what `shared.reports.first_rows` writes for these rows."""
    head = {"columns": columns, "rows": len(rows), "of": len(rows) if of is None else of}
    return "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in (head, *rows)).encode()


def png(width: int = 4, height: int = 6) -> bytes:
    """Return a white picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = zlib.compress((b"\0" + b"\xff" * width) * height)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def kept(
    conn: Connection, job_id: UUID, scratch: Path, *, rows: bytes | None = None, picture: bytes | None = None,
    store: ArtifactStore | None = None, file: str = "calendar.csv",
) -> None:  # fmt: skip
    """End the job as a worker does, with these bytes beside its file."""
    lease, tenant = started(conn, job_id).lease, row(conn, job_id).tenant
    format_ = file.rpartition(".")[2]
    made = [(Artifact(file, format_, f"text/{format_}", 4, "", 1), b"day\n")]
    if rows is not None:
        made.append(
            (Artifact(".rows.jsonl", "rows", "application/x-ndjson", 0, "", max(0, rows.count(b"\n") - 1)), rows)
        )
    if picture is not None:
        made.append((Artifact(".page.png", "page", "image/png", 0, "", 0), picture))
    stored, source = [], scratch / "made"
    for about, content in made:
        source.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        key = artifact_key(tenant, lease.job_id, lease.token, about.name)
        where = store or DiskStore(scratch)
        where.put(key, source, media_type=about.media_type, sha256=sha256, metadata={})
        stored.append(Artifact(about.name, about.format, about.media_type, len(content), sha256, about.rows))
    assert succeed(conn, [Success(lease, stored, 0.5)])

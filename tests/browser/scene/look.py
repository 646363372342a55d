"""The previews of a finished job: rows of every kind, and a typeset page."""

import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import typst
from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import artifact_key
from shared.reports.manifest import NAME
from tests.support.kept_rows import rows_file

_COLUMNS = [
    {"name": "region", "title": "Region", "type": "text"}, {"name": "month", "title": "Month", "type": "date"},
    {"name": "orders", "title": "Orders", "type": "bigint"}, {"name": "sales", "title": "Sales (€)", "type": "decimal"},
    {"name": "share", "title": "Share of all regions", "type": "float"},
    {"name": "final", "title": "Final", "type": "boolean"}, {"name": "note", "title": "Note", "type": "text"},
    {"name": "booked", "title": "Booked at", "type": "timestamptz"},
]  # fmt: skip
_REGIONS = ("Nordics", "関東", "Deutschland, Österreich und die Schweiz", "Ile-de-France", "São Paulo")
_NOTES = (None, "", "Corrected after the audit of the third quarter, see the minutes of the board", "<b>not bold</b>")
_MADE_FROM = {
    "source": {
        "name": "warehouse", "snapshot": {"id": "84213377:84213377:", "takenAt": "2026-11-29T11:52:04.118Z"},
        "rows": 48_211, "queries": {"by_region": 5, "by_month": 12},
    },
    "columnsLeftOut": ["margin"],
    "tools": {"python": "3.13.5", "todoke-server": "0.1.0", "duckdb": "1.4.2", "typst": "0.14.0"},
}  # fmt: skip
_PAGE = """
#set page(paper: "a4", margin: 2cm)
#set text(size: 11pt)
#text(size: 22pt, weight: "bold", fill: rgb("#1c5a92"))[Monthly sales]
#line(length: 100%, stroke: rgb("#1c5a92"))
#grid(columns: 4, gutter: 8pt, ..range(4).map(n => rect(width: 100%, height: 40pt, fill: rgb("#eaf1f8"))))
#v(12pt)
#for n in range(12) { rect(width: 95% - 6% * n, height: 14pt, fill: rgb("#1c5a92")); v(-4pt) }
"""


def put_a_look(conn: Connection, job_id: UUID, store: Path, *, rows: int, of: int) -> None:
    """Keep rows and a page beside the files of the job, as a worker does."""
    lines: list[list[Any]] = [
        [_REGIONS[n % 5], f"2026-{n % 12 + 1:02}-01", str(1_204 * (n + 7) % 98_765), f"{(n + 1) * 1234.57:.2f}",
         f"{(n % 9) / 7:.6f}", n % 3 > 0, _NOTES[n % 4], f"2026-11-{n % 28 + 1:02} 08:15:00+00"]
        for n in range(rows)
    ]  # fmt: skip
    picture = typst.compile(_PAGE.encode(), format="png", ppi=48)
    assert isinstance(picture, bytes)
    job = conn.execute(text("SELECT tenant, lease_token FROM jobs WHERE id = :id"), {"id": job_id}).one()
    for name, format_, content in (
        (".rows.jsonl", "rows", rows_file(lines, of=of, columns=_COLUMNS)),
        (".page.png", "page", picture),
        (NAME, "manifest", json.dumps({"manifest": _MADE_FROM, "signature": {"keyId": "a41f09c2d7b3e680"}}).encode()),
    ):
        made = store.parent / "made"
        made.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        key = artifact_key(job.tenant, job_id, job.lease_token, name)
        DiskStore(store).put(key, made, media_type="any/thing", sha256=sha256, metadata={})
        conn.execute(
            text("INSERT INTO artifacts (job_id, lease_token, name, format, media_type, size_bytes, sha256, rows) "
                 "VALUES (:job, :token, :name, :format, 'any/thing', :size, :sha256, :rows)"),
            {"job": job_id, "token": job.lease_token, "name": name, "format": format_, "size": len(content),
             "sha256": sha256, "rows": rows if format_ == "rows" else 0},
        )  # fmt: skip

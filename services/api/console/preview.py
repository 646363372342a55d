"""`/console/jobs/{id}/rows` and related pages: a look into a report before its files are downloaded."""

import re
from typing import Any

from fastapi import APIRouter, Response

from services.api.actions import previews
from services.api.actions.job_errors import ArtifactGone, ArtifactNotWhole, ArtifactStoreAway
from services.api.actions.previews import USUAL_SIZE, RowsPage
from services.api.console.job_page import job_id_of
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit
from services.api.http.conditional import check
from services.api.v1.rows import PICTURE_HEADERS, PNG

router = APIRouter(include_in_schema=False)

_FEW = 10
"""How many rows a job's page shows."""
_NUMBERS = frozenset({"integer", "bigint", "decimal", "float"})
_LONGEST = 300
"""How many characters of a cell are shown: a page of long texts would be megabytes."""


@router.get("/jobs/{job_id}/rows")
@page_for
async def rows(visit: Visit) -> Response:
    """Show the first rows of the job's report, a page at a time."""
    given = visit.request.query_params.get("after", "")
    after = int(given) if re.fullmatch(r"[0-9]{1,4}", given, re.ASCII) else 0
    stored = await previews.rows_of(visit.parts, visit.principal, job_id_of(visit))
    found = await previews.read_rows(visit.parts, stored, after=after, size=USUAL_SIZE)
    return page(visit, "rows.html", {**_told(visit, found), "after": after})


@router.get("/jobs/{job_id}/rows/part")
@page_for
async def few_rows(visit: Visit) -> Response:
    """Return the very first rows for the job's page, or why they cannot be shown."""
    stored = await previews.rows_of(visit.parts, visit.principal, job_id_of(visit))
    try:
        found = await previews.read_rows(visit.parts, stored, after=0, size=_FEW)
    except (ArtifactGone, ArtifactNotWhole, ArtifactStoreAway) as error:
        return page(visit, "_preview.html", {"job_id": job_id_of(visit), "away": str(error)})
    return page(visit, "_preview.html", {**_told(visit, found), "away": None})


@router.get("/jobs/{job_id}/page.png")
@page_for
async def picture(visit: Visit) -> Response:
    """Send the picture of the first page of the job's PDF, from this origin: pages load no others."""
    stored = await previews.picture_of(visit.parts, visit.principal, job_id_of(visit))
    headers = {**PICTURE_HEADERS, "ETag": f'"{stored.artifact.sha256}"'}
    if not check(visit.request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(await previews.read(visit.parts, stored), headers=headers, media_type=PNG)


def _told(visit: Visit, found: RowsPage) -> dict[str, Any]:
    columns = [
        {"title": column.title or column.name, "kind": column.type, "number": column.type in _NUMBERS}
        for column in found.columns
    ]
    lines = [[_shown(value) for value in row] for row in found.rows]
    return {"job_id": job_id_of(visit), "columns": columns, "lines": lines, "found": found}


def _shown(value: object) -> str | None:
    """Return the value as a text; None for NULL, which differs from an empty text."""
    if value is None or isinstance(value, str):
        return value if value is None or len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
    return str(value).lower() if isinstance(value, bool) else str(value)

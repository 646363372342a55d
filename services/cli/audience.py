"""The notes of `todoke-server check` on whose rows a report type returns."""

from collections.abc import Iterator, Mapping, Sequence

from shared.catalog.model import ReportKind, ReportType
from shared.catalog.query import placeholders


def audience_notes(types: Mapping[str, ReportType], chosen: Sequence[ReportType]) -> Iterator[str]:
    """Yield a line for each chosen report type that returns the same rows to all tenants without declaring it.

    Only in a catalog that distinguishes tenants: one of its report types uses `:tenant` or names tenants.
    """
    if not any(_knows_tenants(report) for report in types.values()):
        return
    for report in chosen:
        if report.kind is ReportKind.QUERY and not report.shared and not _knows_tenants(report):
            yield (
                f"{report.name}: every tenant gets the same rows: filter by :tenant in query.sql, or by row-level "
                "security and current_setting('todoke.tenant'), or give each tenant a role; if all may see them, write "
                "shared = true"
            )


def _knows_tenants(report: ReportType) -> bool:
    return (
        bool(report.tenants)
        or report.role is not None
        or any(token.text == ":tenant" for token in placeholders(report.query))
    )

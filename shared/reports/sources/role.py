"""Runs a tenant's query under the role that the source has for that tenant."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from shared.database import sqlstates
from shared.reports import source_errors
from shared.reports.question import Question


def take_role(conn: psycopg.Connection[Any], question: Question) -> Mapping[str, str]:
    """Assume the tenant's role for this transaction, if the report type names one.

    Returns the setting that must stay so until the query's end. Without a requester (a catalog that is tried) no role
    is assumed. Raises psycopg.Error; and ReportError if the tenant has no role, or the source refuses it.
    """
    wanted, tenant = question.report.role, question.asker.tenant
    if wanted is None or tenant is None:
        return {}
    role = wanted.of(tenant)
    if role is None:
        raise source_errors.source_role_refused(
            tenant, None, "report.toml names none for it that PostgreSQL could have"
        )
    try:
        conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
    except psycopg.Error as error:
        if error.sqlstate not in sqlstates.ROLE_REFUSED:
            raise
        raise source_errors.source_role_refused(tenant, role, error.diag.message_primary or "") from None
    return {"role": role}


def refuse_role(question: Question) -> None:
    """Refuse a report type that names roles on a source that has none: the tenant would get everyone's rows."""
    if question.report.role is not None:
        tenant = question.asker.tenant or ""
        raise source_errors.source_role_refused(tenant, None, "only PostgreSQL sources have roles")

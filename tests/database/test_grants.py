"""Each service's role can do its work and no more. The system tests show that it can do its work."""

import re
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.engine import Connection, make_url

from deploy.local.processes import free_port
from migrations import grants
from migrations.granting import RoleNotOurs, TablesNotOurs
from tests.support.jobs import a_job
from tests.support.postgres.roles import service_urls

_FORBIDDEN = {
    "api": [
        "DELETE FROM jobs",
        "UPDATE jobs SET requester = 'x'",
        "UPDATE jobs SET lease_token = gen_random_uuid()",
        "DELETE FROM erasures",
        "UPDATE erasures SET due_at = 'infinity'",
        "INSERT INTO job_transitions SELECT FROM job_transitions",
        "UPDATE jobs SET created_at = clock_timestamp()",
        "INSERT INTO artifacts SELECT FROM artifacts",
        "DELETE FROM outbox",
        "SELECT payload FROM outbox",
        "UPDATE api_keys SET tenant = 'x'",
        "UPDATE api_keys SET scopes = '{jobs:read}'",
        "UPDATE api_keys SET key_sha256 = sha256('x')",
        "DELETE FROM api_keys",
        "INSERT INTO sign_in_codes DEFAULT VALUES",
        "UPDATE sign_in_codes SET expires_at = 'infinity'",
        "TRUNCATE jobs",
        "UPDATE audit SET subject = 'nobody'",
        "DELETE FROM audit",
        "SELECT FROM bulk_act(gen_random_uuid(), '{}', '{}')",
        "UPDATE bulk_actions SET filter = '{}'",
        "UPDATE bulk_actions SET created_at = clock_timestamp()",
        "DELETE FROM bulk_actions",
        "INSERT INTO bulk_results DEFAULT VALUES",
        "INSERT INTO audit (at, tenant, action, object) VALUES (now(), 'acme', 'jobs.cancel', 'jobs/1')",
    ],
    "relay": [
        "SELECT parameters FROM jobs",
        "SELECT result FROM jobs",
        "SELECT * FROM jobs",
        "UPDATE jobs SET tenant = 'x'",
        "INSERT INTO erasures (job_id, tenant) VALUES (gen_random_uuid(), 'x')",
        "UPDATE jobs SET deleted_at = clock_timestamp()",
        "UPDATE outbox SET payload = 'x'",
        "SELECT key_sha256 FROM api_keys",
        "SELECT name FROM api_keys",
        "UPDATE schedules SET parameters = '{}'",
        "UPDATE schedules SET owner_scopes = '{}'",
        "DELETE FROM schedules",
        "SELECT sha256 FROM artifacts",
        "INSERT INTO artifacts DEFAULT VALUES",
        "UPDATE artifacts SET lease_token = gen_random_uuid()",
        "UPDATE jobs SET keep_s = 0, keep_artifacts_s = 0",
        "UPDATE idempotency_keys SET job_id = gen_random_uuid()",
        "DELETE FROM job_transitions",
        "SELECT subject FROM audit",
        "INSERT INTO bulk_actions DEFAULT VALUES",
        "UPDATE bulk_actions SET sees_only = NULL",
        "UPDATE bulk_actions SET hidden = '{}'",
        "UPDATE bulk_actions SET filter = '{}'",
        "UPDATE bulk_results SET outcome = 'refused'",
        "INSERT INTO audit (tenant, action, object) VALUES ('acme', 'jobs.cancel', 'jobs/1')",
    ],
    "worker": [
        "DELETE FROM jobs",
        "INSERT INTO jobs DEFAULT VALUES",
        "UPDATE jobs SET parameters = '{}'",
        "UPDATE jobs SET tenant = 'x'",
        "UPDATE artifacts SET sha256 = repeat('0', 64)",
        "DELETE FROM artifacts",
        "SELECT FROM erasures",
        "UPDATE jobs SET deleted_at = clock_timestamp()",
        "DELETE FROM job_transitions",
        "DELETE FROM outbox",
        "SELECT FROM outbox",
        "SELECT FROM api_keys",
        "SELECT FROM bulk_actions",
        "SELECT FROM bulk_act(gen_random_uuid(), '{}', '{}')",
        "SELECT FROM job_minutes",
        "SELECT FROM idempotency_keys",
        "SELECT FROM audit",
    ],
}


@pytest.mark.parametrize(("service", "statement"), [(s, each) for s, many in _FORBIDDEN.items() for each in many])
def test_what_a_service_has_no_need_for_is_refused(database_url: str, service: str, statement: str) -> None:
    with (
        psycopg.connect(service_urls(database_url)[service], autocommit=True) as conn,
        pytest.raises(InsufficientPrivilege),
    ):
        conn.execute(statement)


def test_a_temporary_table_cannot_divert_the_history(database_url: str, conn: Connection) -> None:
    job_id = a_job(conn)
    with psycopg.connect(service_urls(database_url)["api"], autocommit=True) as api:
        api.execute("CREATE TEMP TABLE job_transitions (LIKE public.job_events)")
        api.execute(
            "UPDATE jobs SET status = 'CANCELLED', verb = 'cancel', version = version + 1, "
            "finished_at = clock_timestamp(), cancel_requested_at = clock_timestamp() WHERE id = %s",
            [job_id],
        )
        found = api.execute("SELECT to_status FROM public.job_events WHERE job_id = %s ORDER BY version", [job_id])

        assert [row[0] for row in found] == ["PENDING", "CANCELLED"]


def test_granting_again_takes_away_what_was_added_by_hand(database_url: str) -> None:
    worker = service_urls(database_url)["worker"]
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("GRANT DELETE ON jobs TO test_worker")
    service_urls(database_url)

    with psycopg.connect(worker, autocommit=True) as conn, pytest.raises(InsufficientPrivilege):
        conn.execute("DELETE FROM jobs")


def test_a_role_that_is_missing_is_named_with_the_remedy(database_url: str) -> None:
    with pytest.raises(grants.RoleMissing, match=r"no role 'nobody'.*CREATE ROLE nobody"):
        grants.grant(database_url, {"worker": "nobody"})


@pytest.fixture
def owner(database_url: str) -> Iterator[str]:
    """The same database, as who owns its tables and may do nothing else: no superuser, and none who makes roles."""
    service_urls(database_url)
    url = make_url(database_url)
    role = f"owner_of_{url.database}"  # roles belong to the server, which other tests share
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        conn.execute(f"GRANT CREATE ON DATABASE {url.database} TO {role}; GRANT CREATE ON SCHEMA public TO {role}")
        made = conn.execute(
            f"SELECT format('ALTER %s %s OWNER TO {role}', CASE WHEN relkind = 'S' THEN 'SEQUENCE' "
            "WHEN relkind = 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass) FROM pg_class c "
            "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') AND NOT EXISTS "
            "(SELECT FROM pg_depend d WHERE d.objid = c.oid AND c.relkind = 'S' AND d.deptype IN ('a', 'i'))"
        ).fetchall()
        for (statement,) in made:
            conn.execute(statement)
        conn.execute(f"ALTER FUNCTION bulk_act(uuid, uuid[], uuid[]) OWNER TO {role}")
        try:
            yield url.set(username=role, password="x").render_as_string(hide_password=False)
        finally:
            conn.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}")


def test_an_owner_who_may_not_bound_a_role_is_told_what_a_superuser_does(owner: str, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("ALTER ROLE test_api IN DATABASE " + str(make_url(database_url).database) + " RESET lock_timeout")
        with pytest.raises(RoleNotOurs, match=r"owner_of_\w+ may not .* test_api\. .*WITH ADMIN OPTION") as refused:
            grants.grant(owner, {"api": "test_api"})
        remedy = re.findall(r"ALTER ROLE \S+ IN DATABASE [^;]*", str(refused.value))
        assert len(remedy) == 1, "only what is missing"
        conn.execute(remedy[0])

    grants.grant(owner, {"api": "test_api"})


def test_who_does_not_own_the_tables_is_told_who_does(database_url: str) -> None:
    url = service_urls(database_url)["api"]
    with pytest.raises(TablesNotOurs, match=r"test_api may not grant \(permission denied .*connect as \w+, which owns"):
        grants.grant(url, {"api": "test_api"})


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "migrate", *arguments],
        env={"PATH": "", **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("verb", ["grant", "upgrade"])
def test_the_command_says_what_it_granted(database_url: str, verb: str) -> None:
    service_urls(database_url)

    ran = command(verb, "--relay", "test_relay", DATABASE_URL=database_url)

    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (0, "granted: relay to test_relay")


def test_the_command_asks_for_a_role() -> None:
    ran = command("grant")

    assert ran.returncode == 2
    assert "name at least one role" in ran.stderr


def test_migrations_wait_for_their_database_and_say_so(database_url: str) -> None:
    nowhere = make_url(database_url).set(port=free_port()).render_as_string(hide_password=False)

    ran = command("upgrade", DATABASE_URL=nowhere, STARTUP_TIMEOUT_S="0.3")

    assert ran.returncode == 1
    assert '"waiting_for": "database"' in ran.stderr
    assert "gave up waiting for database after 0.3 s" in ran.stderr.splitlines()[-1]


def test_migrations_without_a_database_name_the_variable() -> None:
    ran = command("upgrade")

    assert ran.returncode == 2
    assert "DATABASE_URL is not set" in ran.stderr

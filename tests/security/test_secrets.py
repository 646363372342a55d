"""A password that does not open the database: the service that cannot start with it does not show it."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.support.eventually import eventually
from tests.support.processes import Services

SOURCE = "database-canary-93ad"


def _with_password(url: str, password: str, **changes: object) -> str:
    return make_url(url).set(password=password, **changes).render_as_string(hide_password=False)  # type: ignore[arg-type]


def _log(services: Services, name: str) -> str:
    log = services.folder / f"{name}.log"
    return log.read_text() if log.exists() else ""


@pytest.mark.parametrize("name", ["api", "relay", "worker"])
def test_a_start_with_a_wrong_password_does_not_show_it(name: str, database_url: str, tmp_path: Path) -> None:
    wrong = _with_password(database_url, SOURCE, username="nobody", host="127.0.0.1")
    urls = dict.fromkeys(("api", "relay", "worker"), wrong)
    with Services(
        tmp_path, database_urls=urls, queue_url="http://127.0.0.1:9/none", aws={}, LOG_LEVEL="DEBUG"
    ) as services:
        process = services.start(name, wait=False)
        eventually(
            lambda: process.poll() is not None or "database" in _log(services, name), within_s=60, what="it complains"
        )
        assert SOURCE not in _log(services, name)

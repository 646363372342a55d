"""What deploy/compose.yaml must keep: hardening, limits, loopback ports, and secrets only where needed."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.access.secret_keys import SecretKeys

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("api", "relay", "worker", "migrate", "setup")


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_hardened(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    scratch = [*service.get("tmpfs", []), *service.get("volumes", [])]
    assert any(mount.startswith("/scratch") for mount in scratch)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_bounded_restarted_and_private(name: str) -> None:
    service = SERVICES[name]

    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["restart"] in {"unless-stopped", "on-failure"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", OURS)
def test_the_grace_is_longer_than_a_service_takes_to_stop(name: str) -> None:
    assert int(SERVICES[name]["stop_grace_period"].rstrip("s")) >= 40


def test_a_password_is_only_ever_in_a_file() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|DATABASE_URL|SOURCE_URL|CREDENTIALS", variable):
                assert value.startswith("/run/secrets/"), f"{name}: {variable}"


def test_who_asks_the_source_has_a_secret_of_its_own_for_it() -> None:
    asked = {name: s["environment"].get("REPORT_SOURCE_URL_FILE") for name, s in SERVICES.items() if "environment" in s}

    assert {name: file for name, file in asked.items() if file} == {
        "api": "/run/secrets/api-report-source-url",
        "worker": "/run/secrets/report-source-url",
    }


def test_a_service_is_given_its_own_secrets_and_no_others() -> None:
    for name in ("api", "relay", "worker"):
        others = {"api", "relay", "worker", "setup", "owner"} - {name}
        assert not [s for s in SERVICES[name]["secrets"] if s.split("-")[0] in others]


def test_every_secret_is_made_once_and_for_the_owner_of_the_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    subprocess.run(["sh", DEPLOY / "compose/secrets", folder], check=True, timeout=60)
    made = {file.name: file.read_text() for file in folder.iterdir()}
    subprocess.run(["sh", DEPLOY / "compose/secrets", folder], check=True, timeout=60)

    assert {Path(s["file"]).name for s in COMPOSE["secrets"].values()} <= made.keys()
    assert {file.name: file.read_text() for file in folder.iterdir()} == made
    assert folder.stat().st_mode & 0o777 == 0o700
    passwords = [made[name].strip() for name in made if name.endswith(("-password", "-store-key"))]
    assert len(set(passwords)) == len(passwords) == 11
    assert all(len(password) == 48 for password in passwords)


def test_what_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            if (source := mount.split(":")[0]).startswith("."):
                assert (DEPLOY / source).exists(), source


def test_all_services_have_the_same_keys_of_secrets(tmp_path: Path) -> None:
    """Without them no webhook can be made, and no file has a password."""
    subprocess.run(["sh", DEPLOY / "compose/secrets", tmp_path / "secrets"], check=True, timeout=60)
    keys = SecretKeys(tmp_path / "secrets/secrets-keys")
    assert keys.kept
    assert keys.open(keys.seal(b"hush", of="x"), of="x") == b"hush"
    with_keys = [name for name in SERVICES if "SECRETS_KEY_FILE" in SERVICES[name].get("environment", {})]
    assert with_keys == ["api", "relay", "worker"]
    assert all("secrets-keys" in SERVICES[name]["secrets"] for name in with_keys)

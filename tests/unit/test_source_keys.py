"""The worker trusts a salt that two reports' processes have seen, and hands out its keys for an hour."""

import base64
import hashlib
import hmac

import pytest
from psycopg import pq

from shared.reports.process.source_keys import SourceKeys
from shared.reports.sources import scram
from shared.reports.sources.scram import AS_EVER, Keys, Login, Salt

URL = "postgresql://report:pencil@db.test/sales"
SALT = Salt("W22ZaJ0SNY7soEsUEjb6gQ==", 4096)
OTHER = Salt("a5o9R8VU0K9KJZvIfLk8kw==", 4096)
TELLING = Login(tells_salt=True)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source_keys(clock: Clock) -> SourceKeys:
    return SourceKeys(clock=clock)


def after(source_keys: SourceKeys, *salts: Salt | None) -> Login:
    """How the next process logs in, after as many that each met one of the salts."""
    for salt in salts:
        source_keys.login(URL)
        source_keys.told(URL, salt)
    return source_keys.login(URL)


def test_the_keys_are_those_of_an_exchange_that_is_published() -> None:
    # RFC 7677, section 3.
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    said = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s={SALT.base64},i={SALT.iterations},c=biws,r={nonce}".encode()
    keys = scram.keys_of(URL, SALT)

    assert keys is not None
    client, server = base64.b64decode(keys.client), base64.b64decode(keys.server)
    mask = hmac.digest(hashlib.sha256(client).digest(), said, "sha256")
    proof = bytes(one ^ other for one, other in zip(client, mask, strict=True))
    assert base64.b64encode(proof) == b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    signature = hmac.digest(server, said, "sha256")
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_one_salt_is_not_believed_yet_and_two_of_the_same_are(source_keys: SourceKeys) -> None:
    assert source_keys.login(URL) == TELLING
    assert after(source_keys, SALT) == TELLING
    assert after(source_keys, SALT) == Login(scram.keys_of(URL, SALT), tells_salt=True)


def test_the_salt_that_is_known_may_be_met_again(source_keys: SourceKeys) -> None:
    assert after(source_keys, SALT, SALT, SALT).keys is not None  # there was room on the server at the second try only


@pytest.mark.parametrize(
    "met",
    [
        [SALT, OTHER],
        [SALT, Salt(SALT.base64, 8192)],
        [None],
        [SALT, None],
        [SALT, SALT, OTHER],
        [Salt(SALT.base64, 1_000_001)] * 2,
        [Salt(SALT.base64, 0)] * 2,
        [Salt("no base64", 4096)] * 2,
    ],
    ids=["another", "other rounds", "none", "then none", "set anew", "too many rounds", "no rounds", "no salt"],
)
def test_whoever_met_another_salt_or_none_ends_it_for_an_hour(
    met: list[Salt | None], source_keys: SourceKeys, clock: Clock
) -> None:
    assert after(source_keys, *met) == AS_EVER

    clock.now += 3_599
    assert source_keys.login(URL) == AS_EVER
    assert after(source_keys, SALT, SALT) == AS_EVER
    clock.now += 1
    assert source_keys.login(URL) == TELLING


def test_keys_are_forgotten_after_an_hour(source_keys: SourceKeys, clock: Clock) -> None:
    assert after(source_keys, SALT, SALT).keys is not None

    clock.now += 3_600
    source_keys.login(URL.replace("pencil", "rotated"))
    assert "pencil" not in repr(vars(source_keys))
    assert source_keys.login(URL) == TELLING


def test_each_password_has_keys_of_its_own(source_keys: SourceKeys) -> None:
    keys = after(source_keys, SALT, SALT).keys
    rotated = URL.replace("pencil", "canary")

    assert source_keys.login(rotated) == TELLING
    assert scram.keys_of(rotated, SALT) != keys


def test_what_another_process_told_meanwhile_stands(source_keys: SourceKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(url: str, _: Salt) -> Keys:
        source_keys.told(url, OTHER)
        return Keys("client", "server")

    monkeypatch.setattr(scram, "keys_of", slowly)
    assert after(source_keys, SALT, SALT) == AS_EVER


def test_a_log_in_of_two_exchanges_has_one_salt_or_none() -> None:
    met, other = (
        f"B\t92\tAuthenticationSASLContinue\t 'r=abc,s={one.base64},i={one.iterations}'\n".encode()
        for one in (SALT, OTHER)
    )

    assert scram._salt_in(met) == scram._salt_in(b"F\t8\tSSLRequest\n" + met + met) == SALT
    assert scram._salt_in(met + other) is None
    assert scram._salt_in(b"") is None


def test_a_process_that_was_not_asked_is_not_heard(source_keys: SourceKeys) -> None:
    source_keys.told(URL, SALT)
    source_keys.told(URL, SALT)
    assert source_keys.login(URL) == TELLING


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql://report@db.test/sales",
        "postgresql://report:p%C3%A4sswort@db.test/sales",
        "postgresql://report:pencil@one.test,two.test/sales",
        "host=db.test hostaddr=10.0.0.1,10.0.0.2 user=report password=pencil",
        "host=db.test port=5432,5433 user=report password=pencil",
        "service=sales password=pencil",
        f"{URL}?scram_client_key=AAAA",
        f"{URL}?scram_server_key=AAAA",
        "mariadb://report:pencil@db.test/sales",
        "sqlite:////data/sales.db",
        "file:///data",
        "s3://bucket/sales?password=pencil",
        "plugin://report:pencil@db.test/sales",
    ],
)
def test_only_one_server_and_a_password_of_ascii_have_a_use_for_keys(url: str, source_keys: SourceKeys) -> None:
    assert source_keys.login(url) == AS_EVER


@pytest.mark.parametrize(
    "url", [URL, URL.replace("postgresql", "postgres"), "user=report password='pen cil'", f"{URL}?sslmode=require"]
)
def test_urls_with_a_use_for_keys(url: str, source_keys: SourceKeys) -> None:
    assert source_keys.login(url) == TELLING


@pytest.mark.parametrize(("name", "value"), [("PGSERVICE", "sales"), ("PGHOST", "one.test,two.test")])
def test_what_variables_say_of_the_server_counts(
    name: str, value: str, source_keys: SourceKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert source_keys.login("user=report password=pencil") == AS_EVER


def test_an_older_libpq_is_given_no_keys(source_keys: SourceKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pq, "version", lambda: 170_006)
    assert source_keys.login(URL) == AS_EVER


def test_where_nothing_can_be_traced_there_are_no_keys(
    source_keys: SourceKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scram, "_TRACES", False)
    assert source_keys.login(URL) == AS_EVER


def test_keys_show_in_no_text() -> None:
    keys = scram.keys_of(URL, SALT)

    assert keys is not None
    assert keys.client not in f"{keys!r} {Login(keys)}"
    assert keys.server not in f"{keys!r} {Login(keys)}"

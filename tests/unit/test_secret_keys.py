"""Secrets at rest: what encrypts them, what decrypts them, and the message if the keys are missing."""

import base64
from pathlib import Path

import pytest

from shared.access.secret_keys import Sealed, SecretKeys, SecretKeysWrong, SecretNotReadable, SecretsNotKept, read_keys

OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "secrets.keys"
    file.write_text(f"# of last year\nold {OLD}\n")
    return file


def test_what_is_sealed_opens_for_its_owner_and_for_no_other(file: Path) -> None:
    keys = SecretKeys(file)
    sealed = keys.seal(b"whsec_x", of="webhook:1")

    assert keys.open(sealed, of="webhook:1") == b"whsec_x"
    assert b"whsec" not in sealed.content
    with pytest.raises(SecretNotReadable, match="does not open with the key 'old'"):
        keys.open(sealed, of="webhook:2")
    with pytest.raises(SecretNotReadable):
        keys.open(Sealed("old", sealed.content[:-1] + bytes([sealed.content[-1] ^ 1])), of="webhook:1")
    with pytest.raises(SecretNotReadable):
        keys.open(Sealed("old", b"short"), of="webhook:1")


def test_the_same_secret_is_never_sealed_alike(file: Path) -> None:
    keys = SecretKeys(file)

    assert keys.seal(b"x", of="a").content != keys.seal(b"x", of="a").content


def test_a_key_is_added_and_taken_away_while_the_service_runs(file: Path) -> None:
    keys = SecretKeys(file)
    before = keys.seal(b"x", of="a")

    file.write_text(f"old {OLD}\nnew {NEW}\n")
    after = keys.seal(b"x", of="a")
    assert (after.key_id, before.key_id) == ("new", "old")
    assert keys.open(before, of="a") == keys.open(after, of="a") == b"x"

    file.write_text(f"new {NEW}\n")
    assert keys.open(after, of="a") == b"x"
    with pytest.raises(SecretNotReadable, match=r"key 'old', which .* does not have: put its line back"):
        keys.open(before, of="a")


def test_a_key_that_was_replaced_under_its_name_is_told_from_one_that_is_missing(file: Path) -> None:
    keys = SecretKeys(file)
    sealed = keys.seal(b"x", of="a")
    file.write_text(f"old {NEW}\n\n")

    with pytest.raises(SecretNotReadable, match="another key than when it was sealed"):
        keys.open(sealed, of="a")


def test_without_a_file_nothing_is_kept() -> None:
    keys = SecretKeys(None)

    assert not keys.kept
    with pytest.raises(SecretsNotKept, match="SECRETS_KEY_FILE is not set"):
        keys.seal(b"x", of="a")
    with pytest.raises(SecretsNotKept):
        keys.open(Sealed("old", b""), of="a")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no key in it: write lines such as"),
        ("# nothing\n", "there is no key in it"),
        (f"{OLD}\n", "line 1 is not the name of a key and the key"),
        (f"old {OLD}\nOLD! {NEW}", "line 2 is not the name"),
        ("old c2hvcnQ=\n", "line 1 does not hold 32 bytes in Base64"),
        ("old abc=d\n", "line 1 does not hold 32 bytes"),
        (f"old {OLD}\n\nold {NEW}", "line 3 names 'old' again"),
    ],
)
def test_a_file_that_is_not_one_is_refused_and_no_key_is_quoted(file: Path, text: str, told: str) -> None:
    file.write_text(text)

    with pytest.raises(SecretKeysWrong) as refused:
        SecretKeys(file)

    assert str(refused.value).startswith(f"SECRETS_KEY_FILE: {file}: {told}")
    assert OLD not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretKeysWrong, match="cannot be read: No such file"):
        SecretKeys(tmp_path / "none")
    (tmp_path / "raw").write_bytes(b"\xff" * 32)
    with pytest.raises(SecretKeysWrong, match="more than ASCII text"):
        SecretKeys(tmp_path / "raw")


def test_base64_for_addresses_is_read_too() -> None:
    odd = bytes([251, 255, 190, 255]) * 8

    assert read_keys(f"k {base64.urlsafe_b64encode(odd).decode()}")[0] == {"k": odd}

"""Who is next."""

from services.relay.turns import in_turns


def test_owners_take_turns_and_keep_their_own_order() -> None:
    assert "".join(in_turns(["a1", "a2", "a3", "a4", "b1", "c1", "c2"], lambda m: m[0])) == "a1b1c1a2c2a3a4"


def test_nothing_and_one_owner_stay_as_they_are() -> None:
    assert in_turns([], str) == []
    assert in_turns([3, 1, 2], lambda _: "one") == [3, 1, 2]

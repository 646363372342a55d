"""A tenant's unresponsive name server delays that tenant's deliveries only."""

import threading
from collections.abc import Iterator, Sequence
from uuid import UUID, uuid4

import pytest

from shared.webhooks import lookups, sending
from shared.webhooks.lookups import Lookups, addresses_of
from shared.webhooks.sending import Answer, DeliveryRequest, DeliverySender
from tests.support.http_server import LoopbackServer, QuietHandler
from tests.support.webhooks import OPEN


class _Resolver:
    """Finds this machine by every name; `silent` hosts only when it is allowed to."""

    def __init__(self) -> None:
        self.allowed = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if "silent" in host:
            self.allowed.wait(60)
        if "nowhere" in host:
            raise OSError("no such host")
        return ["127.0.0.1"]


class _Listens(QuietHandler):
    def do_POST(self) -> None:
        self.answer(200, self.headers["Host"].encode())


@pytest.fixture
def resolver() -> Iterator[_Resolver]:
    resolver = _Resolver()
    yield resolver
    resolver.allowed.set()


@pytest.fixture
def port() -> Iterator[int]:
    with LoopbackServer(_Listens) as server:
        yield int(server.url.rsplit(":", 1)[1])


def sent(sender: DeliverySender, tenant: str, url: str) -> UUID:
    request = DeliveryRequest(uuid4(), tenant, url, [], b"{}")
    sender.send(request)
    return request.id


def answers_of(sender: DeliverySender, wanted: int) -> dict[UUID, Answer]:
    """The first answers, as many as are wanted."""
    found: dict[UUID, Answer] = {}
    for _ in range(600):
        found.update((answer.id, answer) for answer in sender.wait(0.1))
        if len(found) >= wanted:
            break
    return found


def test_who_waits_for_a_host_that_others_use_too_does_not_make_them_wait(resolver: _Resolver, port: int) -> None:
    sender = DeliverySender(OPEN, certificates=None, lookups=Lookups(resolver))
    for number in range(lookups.MOST_OF_ONE):
        sent(sender, "acme", f"http://silent-{number}.example:{port}/")
    first = sent(sender, "acme", f"http://usual.example:{port}/")
    other = sent(sender, "globex", f"http://usual.example:{port}/")

    answers = answers_of(sender, 2)

    assert [answers[one].status for one in (other, first)] == [200, 200]
    assert resolver.asked.count("usual.example") == 1


def test_who_names_silent_name_servers_delays_nobody_else(resolver: _Resolver, port: int) -> None:
    sender = DeliverySender(OPEN, certificates=None, lookups=Lookups(resolver))
    for number in range(lookups.MOST + 1):
        sent(sender, "acme", f"http://silent-{number}.example:{port}/")
    other = sent(sender, "globex", f"http://quick.example:{port}/")

    answers = answers_of(sender, 1)

    assert answers[other].status == 200
    assert answers[other].response_body == f"quick.example:{port}".encode()
    assert len(resolver.asked) == lookups.MOST_OF_ONE + 1
    assert sender.under_way == lookups.MOST + 1
    sender.close()  # and waits for nobody
    assert sender.under_way == 0


def test_what_waited_for_its_look_up_is_sent_when_there_is_room(resolver: _Resolver, port: int) -> None:
    sender = DeliverySender(OPEN, certificates=None, lookups=Lookups(resolver))
    requests = {sent(sender, "acme", f"http://silent-{number % 20}.example:{port}/") for number in range(40)}
    resolver.allowed.set()

    answers = answers_of(sender, 40)
    sender.close()

    assert {one for one, answer in answers.items() if answer.status == 200} == requests
    assert sorted(resolver.asked) == sorted({f"silent-{number}.example" for number in range(20)}), "each host once"


def test_what_is_not_found_in_time_is_told(resolver: _Resolver, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "CONNECT_TIMEOUT_S", 0.05)
    sender = DeliverySender(OPEN, certificates=None, lookups=Lookups(resolver))
    silent, nowhere = (sent(sender, "acme", f"http://{name}.example:{port}/") for name in ("silent", "nowhere"))

    answers = answers_of(sender, 2)
    sender.close()

    assert (answers[silent].status, answers[silent].error) == (None, "timeout")
    assert (answers[nowhere].status, answers[nowhere].error) == (None, "unresolved")
    assert answers[silent].took_ms >= 50


def test_the_systems_resolver_finds_this_machine_and_says_what_cannot_be_a_host() -> None:
    assert "127.0.0.1" in addresses_of("localhost")
    with pytest.raises(OSError):
        addresses_of("a..b")  # of which no name server is asked

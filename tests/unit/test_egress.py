"""Where webhooks may connect: every notation of an internal address is caught at the socket, whatever its name resolved
to before.
"""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from shared.runtime.egress import Egress, WrongNetworks, read_networks, read_ports
from shared.webhooks.lookups import Lookups
from shared.webhooks.sending import Answer, DeliveryRequest, DeliverySender, _Sending
from shared.webhooks.url import Target, read_url
from tests.support.http_server import LoopbackServer, QuietHandler

PUBLIC = Egress()
ANY_PORT = Egress(ports=read_ports("1-65535"))

INSIDE = [
    "127.0.0.1", "127.255.0.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
    "192.0.0.192", "192.0.2.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255",
    "192.88.99.1", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe", "64:ff9b::808:808", "2002:7f00:1::1",
    "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1", "2001:db8::1", "100::1", "5f00::1", "not an address",
]  # fmt: skip
OUTSIDE = ["1.1.1.1", "8.8.8.8", "52.94.236.248", "2606:4700:4700::1111", "2a00:1450:4001:82b::200e"]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_public_is_closed(address: str) -> None:
    assert not PUBLIC.lets(address, 443)


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_public_is_open_over_tls_and_at_its_ports_only(address: str) -> None:
    assert PUBLIC.lets(address, 443)
    assert PUBLIC.lets(address, 8443)
    assert not PUBLIC.lets(address, 22)
    assert not PUBLIC.lets(address, 443, encrypted=False)
    assert not Egress(closed=read_networks(address)).lets(address, 443)


def test_an_operator_opens_networks_by_name_and_no_more_with_them() -> None:
    within = Egress(read_networks("private, 2001:db8::/32"), read_networks("10.9.0.0/16"), read_ports("80,443"))

    assert within.lets("10.1.2.3", 80, encrypted=False)
    assert within.lets("::ffff:10.1.2.3", 443)
    assert within.lets("2001:db8::1", 443)
    assert not within.lets("10.9.1.1", 443), "what is closed stays closed"
    assert not within.lets("127.0.0.1", 443)
    assert not within.lets("169.254.169.254", 80, encrypted=False)
    nat64 = Egress(read_networks("64:ff9b::/96"))
    assert nat64.lets("64:ff9b::808:808", 443)
    assert not nat64.lets("64:ff9b::a9fe:a9fe", 443), "who opens the translation opens nothing behind it"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "10.0.0.0/33", "private;"])
def test_what_is_no_network_is_told(text: str) -> None:
    with pytest.raises(WrongNetworks, match=r"number 2 is not a network: write 10\.1\.0\.0/16"):
        read_networks(f"loopback, {text}")


@pytest.mark.parametrize("text", ["0", "65536", "80-", "-80", "90-80", "https", "²", ""])
def test_what_is_no_port_is_told(text: str) -> None:
    with pytest.raises(WrongNetworks, match="443"):
        read_ports(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (7, "must be a text"),
        ("", "must begin with https://"),
        ("example.com/x", "must begin with https://"),
        ("ftp://example.com/", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("http://example.com/", "over http can be read"),
        ("https://user:secret@example.com/", "no user name and no password"),
        ("https://example.com/#x", "no part after #"),
        ("https://example.com\\@inside/", "a character that no URL has"),
        ("https://exa mple.com/", "a character that no URL has"),
        ("https://example.com/\r\nHost: inside", "a character that no URL has"),
        ("https://example.com/{x}", "written as %XX"),
        ("https://example.com:22/", "has the port 22"),
        ("https://example.com:99999/", "is not a URL"),
        ("https://-bad-.example/", "names a host that cannot be one"),
        ("https://" + "a" * 64 + ".example/", "names a host that cannot be one"),
        ("https://127.0.0.1/", "not public, to which webhooks may not lead here: ask who runs the service (WEBHOOK_N"),
        ("https://[::1]/", "not public"),
        ("https://[::ffff:169.254.169.254]/", "not public"),
        ("https://2130706433/", "unusual way"),
        ("https://0x7f000001/", "unusual way"),
        ("https://127.1/", "unusual way"),
        ("https://0177.0.0.1/", "unusual way"),
        ("https://example.com/" + "x" * 2048, "at most 2048"),
    ],
)
def test_a_url_that_cannot_be_a_webhook_is_told_at_once(text: object, told: str) -> None:
    wrong = read_url(text, PUBLIC)

    assert isinstance(wrong, str)
    assert told in wrong
    assert "secret" not in wrong.replace("see `secret`", "")


@pytest.mark.parametrize(
    ("text", "url", "origin"),
    [
        ("https://Example.COM", "https://example.com/", "https://example.com"),
        ("https://example.com:443/a?b=c", "https://example.com/a?b=c", "https://example.com"),
        ("https://bücher.example:8443/", "https://xn--bcher-kva.example:8443/", "https://xn--bcher-kva.example:8443"),
        ("https://8.8.8.8/x", "https://8.8.8.8/x", "https://8.8.8.8"),
        ("https://[2606:4700:4700:0::1111]/", "https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]"),
    ],
)
def test_a_url_has_one_form(text: str, url: str, origin: str) -> None:
    assert read_url(text, PUBLIC) == Target(url, origin)


class _Echo(QuietHandler):
    def do_POST(self) -> None:
        self.answer(200, self.body())


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of somebody who listens on this machine, and must hear nothing."""
    with LoopbackServer(_Echo) as server:
        yield int(server.url.rsplit(":", 1)[1])


def sent(sender: DeliverySender, url: str) -> Answer:
    """How sending there went."""
    sender.send(DeliveryRequest(uuid4(), "acme", url, [], b"{}"))
    answers: list[Answer] = []
    while sender.under_way:
        answers += sender.wait(1)
    return answers[0]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::1]",
     "0.0.0.0", "[::]"],
)  # fmt: skip
def test_no_spelling_of_this_machine_is_connected_to(port: int, host: str) -> None:
    sender = DeliverySender(ANY_PORT, certificates=None)
    try:
        for scheme in ("http", "https"):
            answer = sent(sender, f"{scheme}://{host}:{port}/")
            assert (answer.status, answer.error, answer.request_head) == (None, "not_allowed", None)
    finally:
        sender.close()


def test_proxies_of_the_environment_are_not_asked(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    sender = DeliverySender(
        Egress(ports=read_ports("1-65535"), opened=read_networks("127.0.0.9/32")), certificates=None
    )
    try:
        answer = sent(sender, f"http://127.0.0.9:{port}/")
    finally:
        sender.close()
    assert answer.error == "unreachable", "nobody listens there, and a proxy would have answered"


def test_a_name_that_leads_elsewhere_at_the_next_look_up_is_met_at_the_socket(port: int) -> None:
    """127.0.0.9 stands for what is open, and 127.0.0.1, where somebody listens, for what is inside."""
    found: list[str] = []
    egress = Egress(read_networks("127.0.0.9"), ports=read_ports("1-65535"))
    sender = DeliverySender(egress, certificates=None, lookups=Lookups(lambda _: found))
    try:
        for next_address, error in (
            (["127.0.0.9"], "unreachable"),
            (["127.0.0.1"], "not_allowed"),
            (["::ffff:127.0.0.1"], "not_allowed"),
            (["127.0.0.1", "127.0.0.9"], "unreachable"),
            (["::1", "127.0.0.1"], "not_allowed"),
        ):
            found[:] = next_address
            answer = sent(sender, f"http://changes.example:{port}/")
            assert (answer.status, answer.error) == (None, error), next_address
    finally:
        sender.close()


def test_an_answer_is_read_up_to_a_bound_and_is_not_unpacked() -> None:
    class Floods(QuietHandler):
        def do_POST(self) -> None:
            self.body()
            self.answer(200, b"x" * 10_000_000, {"Content-Encoding": "gzip"})

    sender = DeliverySender(Egress(read_networks("loopback"), ports=read_ports("1-65535")), certificates=None)
    try:
        with LoopbackServer(Floods) as server:
            answer = sent(sender, server.url)
    finally:
        sender.close()
    assert (answer.status, answer.error, answer.response_body) == (200, None, b"x" * 4_096)


class _Counted(list[bytes]):
    """A list that counts how often somebody goes through it."""

    gone_through = 0

    def __iter__(self) -> Iterator[bytes]:
        self.gone_through += 1
        return super().__iter__()


def test_no_line_of_a_head_has_all_before_it_gone_through() -> None:
    """libcurl lets 5,000 lines pass: an endpoint took 0.13 s of the relay's time with each answer."""
    request = DeliveryRequest(uuid4(), "acme", "http://127.0.0.9/", [], b"{}")
    sending = _Sending(request, Egress(), None)
    head = sending._head = _Counted()
    for line in (b"HTTP/1.1 200 OK\r\n", *[b"a:\r\n"] * 5_000):
        sending._take_head(line)
    sending.close()

    assert head.gone_through == 0
    assert 8_192 <= len(b"".join(head)) < 8_200

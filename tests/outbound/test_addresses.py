"""Which addresses may be called: nothing inside the network, however it is written, named or wrapped."""

import asyncio
import ipaddress
import ssl
from pathlib import Path

import httpcore
import pytest

from tests.outbound.certificates import certified
from tests.outbound.receivers import HOST, Web
from tidings.config import Network, networks
from tidings.outbound import http_client
from tidings.outbound.channel import SENT, SendResult
from tidings.outbound.http_client import NO_ADDRESS, GuardedHttpClient
from tidings.outbound.ssrf_guard import NoPublicAddress, NotAllowed, SsrfGuard, is_public
from tidings.testing import FakeClock

INSIDE = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
)
OUTSIDE = (
    "1.1.1.1",
    "93.184.215.14",
    "2606:4700::1111",
    "2a00:1450:4001::8a",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
)


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_of_the_inside_is_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/", "only https"),
        ("ftp://example.org/", "only https"),
        ("file:///etc/passwd", "only https"),
        ("gopher://example.org:70/", "only https"),
        ("//example.org/", "only https"),
        ("https:///path", "no usable host"),
        ("https://" + "a" * 254, "no usable host"),
        ("https://user:secret@example.org/", "credentials"),
        ("https://user@example.org/", "credentials"),
        ("https://example.org:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://exämple.org/", "not written in ASCII"),
        ("https://example.org/a b", "not written in ASCII"),
        ("https://example.org/\r\nHost: other", "not written in ASCII"),
    ],
)
def test_a_url_that_is_not_called_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(NotAllowed, match=why):
        SsrfGuard().place(url)


def test_http_needs_to_be_allowed() -> None:
    assert SsrfGuard(allow_http=True).place("http://example.org/x").port == 80


def allowed(text: str) -> tuple[Network, ...]:
    """Networks as the setting has them."""
    return networks("webhook_allow_networks", text)


class Names:
    """A resolver that answers as the test says, another thing each time it is asked."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        """The next answer; the last one stays."""
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_of_the_inside_is_not_called(loop: asyncio.Runner, address: str) -> None:
    with pytest.raises(NoPublicAddress, match="webhook_allow_networks"):
        loop.run(SsrfGuard(resolve=Names((address,))).addresses("inside.example", 443))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_address_of_the_inside_among_others_is_enough(loop: asyncio.Runner, place: int) -> None:
    found = ["1.1.1.1", "2606:4700::1111"]
    found.insert(place, "10.0.0.1")
    with pytest.raises(NoPublicAddress):
        loop.run(SsrfGuard(resolve=Names(tuple(found))).addresses("mixed.example", 443))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "::1", "localhost"]
)
def test_this_machine_is_not_called_under_any_of_its_names(loop: asyncio.Runner, host: str) -> None:
    """The system's own resolver reads more forms than one would think of."""
    with pytest.raises(NoPublicAddress):
        loop.run(SsrfGuard().addresses(host, 443))


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b", "no-such-host.invalid"])
def test_a_name_that_is_none_has_no_address(loop: asyncio.Runner, host: str) -> None:
    with pytest.raises(NoPublicAddress):
        loop.run(SsrfGuard().addresses(host, 443))


def test_only_the_ports_of_the_web_are_called(loop: asyncio.Runner) -> None:
    """A registration and an attempt say the same, with the accepted ports and the setting that accepts others."""
    guard = SsrfGuard(resolve=Names(("1.1.1.1",)))
    with pytest.raises(NotAllowed) as raised:
        loop.run(guard.addresses("redis.example", 6379))
    networks = "a network in webhook_allow_networks, for an endpoint of the application"
    expected = f"expected port 80 or 443 (or {networks}), got 6379"
    assert str(raised.value) == expected == guard.refusal("https://redis.example:6379/")


def test_networks_that_are_allowed_may_be_called_on_any_port(loop: asyncio.Runner) -> None:
    guard = SsrfGuard(
        allowed("10.1.0.0/16, fd00::/8"), resolve=Names(("10.1.2.3", "fd00::5", "::ffff:a01:203"))
    )
    assert loop.run(guard.addresses("intranet", 8080)) == ["10.1.2.3", "fd00::5", "::ffff:a01:203"]


def test_what_lies_beside_an_allowed_network_may_not(loop: asyncio.Runner) -> None:
    guard = SsrfGuard(allowed("10.1.0.0/16"), resolve=Names(("10.2.0.1",)))
    with pytest.raises(NoPublicAddress):
        loop.run(guard.addresses("intranet", 443))


async def posted(guard: SsrfGuard, *urls: str) -> list[SendResult]:
    """Post to these addresses in turn through one poster."""
    poster = GuardedHttpClient(guard, FakeClock())
    try:
        return [await poster.post(url, {}, b"{}") for url in urls]
    finally:
        await poster.close()
        guard.close()


def test_an_attempt_does_not_tell_which_names_exist_inside(loop: asyncio.Runner) -> None:
    """The fault: a delivery to a name that led inside was given up at once, one to a name that did not exist was tried
    again, each with an error of its own; the export and ``disabled_reason`` show both to the user."""

    async def unknown(host: str, port: int) -> tuple[str, ...]:
        raise OSError("not found")

    async def posting() -> None:
        url = "https://name.example/"
        found = [
            await posted(SsrfGuard(resolve=names), url)
            for names in (unknown, Names(()), Names(("10.0.0.1",)))
        ]
        assert found == [[NO_ADDRESS]] * 3

    loop.run(posting())


def test_a_name_that_turns_inwards_is_caught_at_the_next_attempt(loop: asyncio.Runner) -> None:
    """DNS rebinding: allowed at first, then an address of the inside. A connection that is still open is not used."""

    async def rebinding() -> None:
        web = Web()
        web.keep = True
        port = await web.start()
        names = Names((HOST,), ("10.0.0.1",))
        guard = SsrfGuard(allowed(f"{HOST}/32"), allow_http=True, resolve=names)
        url = f"http://rebind.example:{port}/"
        first, second = await posted(guard, url, url)
        assert first == SENT
        assert second == NO_ADDRESS
        assert names.asked == 2
        assert len(web.requests) == 1
        await web.stop()

    loop.run(rebinding())


def test_the_connection_goes_to_the_address_that_was_checked(loop: asyncio.Runner) -> None:
    """The name would resolve to nothing; the request still carries it."""

    async def connecting() -> None:
        web = Web()
        port = await web.start()
        guard = SsrfGuard(allowed(f"{HOST}/32"), allow_http=True, resolve=Names((HOST,)))
        assert await posted(guard, f"http://hooks.invalid:{port}/a?b=c") == [SENT]
        assert web.requests[0].headers["host"] == f"hooks.invalid:{port}"
        assert web.paths == ["/a?b=c"]
        await web.stop()

    loop.run(connecting())


def test_an_address_that_takes_no_connection_is_passed_over(loop: asyncio.Runner) -> None:
    async def passing() -> None:
        web = Web()
        port = await web.start()
        guard = SsrfGuard(allowed("127.0.0.0/8"), allow_http=True, resolve=Names(("127.0.0.9", HOST)))
        assert await posted(guard, f"http://two.example:{port}/") == [SENT]
        await web.stop()

    loop.run(passing())


@pytest.mark.parametrize(("certificate_for", "sent"), [("hooks.example", True), ("other.example", False)])
def test_tls_verifies_the_name_and_not_the_address(
    loop: asyncio.Runner, tmp_path: Path, certificate_for: str, sent: bool
) -> None:
    async def verifying() -> None:
        context, file = certified(tmp_path, certificate_for)
        asked: list[str | None] = []
        context.sni_callback = lambda _socket, name, _context: asked.append(name)
        web = Web()
        port = await web.start(context)
        guard = SsrfGuard(allowed(f"{HOST}/32"), resolve=Names((HOST,)))
        trust = ssl.create_default_context(cafile=str(file))
        poster = GuardedHttpClient(guard, FakeClock(), trust=trust)
        answer = await poster.post(f"https://hooks.example:{port}/", {}, b"{}")
        assert (answer == SENT) is sent
        assert asked == ["hooks.example"]
        await poster.close()
        await web.stop()

    loop.run(verifying())


def test_certificates_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: each channel loaded them twice on the event loop, each time for 50 ms."""
    loaded: list[ssl.SSLContext] = []

    def load() -> ssl.SSLContext:
        loaded.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return loaded[-1]

    monkeypatch.setattr(httpcore, "default_ssl_context", load)
    http_client._trusted.cache_clear()
    guard = SsrfGuard(allowed(""))
    for _ in range(2):
        GuardedHttpClient(guard, FakeClock())
    guard.close()
    http_client._trusted.cache_clear()
    assert len(loaded) == 1


def test_proxies_of_the_environment_are_not_used(
    loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would connect to whatever the name says by then."""

    async def posting() -> None:
        web, proxy = Web(), Web()
        port, proxy_port = await web.start(), await proxy.start()
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{HOST}:{proxy_port}")
        guard = SsrfGuard(allowed(f"{HOST}/32"), allow_http=True)
        assert await posted(guard, f"http://{HOST}:{port}/") == [SENT]
        assert (len(web.requests), len(proxy.requests)) == (1, 0)
        await web.stop()
        await proxy.stop()

    loop.run(posting())

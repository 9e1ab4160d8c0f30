"""The cookie by which a browser, which cannot send headers with a stream, says who it is."""

import re

import httpx
import pytest

from tests.wire.people import KEY, bearer, event, token

STREAM = "/v1/notifications/stream"


def cookie(anybody: httpx.Client, user: str, lifetime_s: float = 3600) -> str:
    """What a browser would send back; a client of ours would not, since the cookie is for https."""
    reply = anybody.put("/v1/session", headers=bearer(token(user, lifetime_s=lifetime_s)))
    assert reply.status_code == 204
    return reply.headers["set-cookie"].split(";")[0]


def test_cookie_is_for_this_host_and_no_script(anybody: httpx.Client) -> None:
    """The attributes that keep it from other sites, from scripts, from plain HTTP, and from outliving the token."""
    reply = anybody.put("/v1/session", headers=bearer(token("sid", lifetime_s=100)))
    name, *attributes = reply.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-tidings=")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"} <= set(attributes)
    (age,) = (int(found[1]) for one in attributes if (found := re.match(r"Max-Age=(\d+)", one)))
    assert 90 <= age <= 100


def test_stream_takes_the_cookie(anybody: httpx.Client) -> None:
    headers = {"cookie": "theme=dark; " + cookie(anybody, "sia")}
    with anybody.stream("GET", STREAM, headers=headers) as reply:
        assert reply.status_code == 200
        assert any('"user_id":"sia"' in line for line in _until_hello(reply))


def test_cookie_is_good_for_its_user_only(anybody: httpx.Client) -> None:
    headers = {"cookie": cookie(anybody, "sol")}
    assert anybody.get(STREAM, params={"user_id": "zoe"}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/notifications"), ("POST", "/v1/notifications/read-all"), ("PUT", "/v1/preferences")],
)
def test_nothing_else_takes_the_cookie(anybody: httpx.Client, method: str, path: str) -> None:
    """Or any page could have a browser change something in its user's name."""
    headers = {"cookie": cookie(anybody, "sam")}
    assert anybody.request(method, path, headers=headers, json={}).status_code == 401


def test_header_wins_over_the_cookie(anybody: httpx.Client) -> None:
    headers = {"cookie": cookie(anybody, "sue")} | bearer("nonsense")
    assert anybody.get(STREAM, headers=headers).status_code == 401


def test_an_api_key_in_the_cookie_is_no_credential(anybody: httpx.Client) -> None:
    """A key may act for every user, and a cookie is what a browser sends by itself."""
    headers = {"cookie": f"__Host-tidings={KEY}"}
    assert anybody.get(STREAM, params={"user_id": "zoe"}, headers=headers).status_code == 401


def test_damaged_cookie_is_no_credential(anybody: httpx.Client) -> None:
    for value in (
        "__Host-tidings=",
        "__Host-tidings=abc",
        cookie(anybody, "syd") + "x",
        f"__Host-tidings={KEY[:-1]}",
    ):
        assert anybody.get(STREAM, headers={"cookie": value}).status_code == 401


def test_key_is_not_put_into_a_cookie(anybody: httpx.Client) -> None:
    """It may act for anybody."""
    reply = anybody.put("/v1/session", params={"user_id": "sid"}, headers=bearer(KEY))
    assert (reply.status_code, "set-cookie" in reply.headers) == (403, False)


def test_cookie_is_forgotten(anybody: httpx.Client) -> None:
    reply = anybody.delete("/v1/session")
    assert reply.status_code == 204
    assert "Max-Age=0" in reply.headers["set-cookie"]


def test_page_of_another_site_opens_no_socket_with_it(anybody: httpx.Client) -> None:
    """SameSite keeps the cookie back already; the Origin is looked at all the same."""
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "origin": "https://evil.example"}
    headers = {"cookie": cookie(anybody, "sky")} | upgrade | key
    assert anybody.get("/v1/notifications/ws", headers=headers).status_code == 403


def _until_hello(reply: httpx.Response) -> list[str]:
    lines = []
    for line in reply.iter_lines():
        lines.append(line)
        if line.startswith("data:"):
            break
    return lines


def test_publishing_with_a_cookie_is_refused(anybody: httpx.Client) -> None:
    headers = {"cookie": cookie(anybody, "stu")}
    assert anybody.post("/v1/events", json=event(), headers=headers).status_code == 401

"""The pages behind the links of mails, as mail services change these links."""

import httpx
import pytest

from tests.wire.people import KEY, bearer

APPENDED = "utm_source=mail&utm_medium=email&mc_eid=%ff&x"


@pytest.mark.need("NO13")
@pytest.mark.parametrize("path", ["/v1/confirm", "/v1/unsubscribe"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("query", ["token=none&{}", "{}&token=none"])
def test_what_a_mail_service_appends_to_a_link_has_no_effect(
    url: str, path: str, method: str, query: str
) -> None:
    """The fault: 400 and JSON, for a person who wants no more mails. The page that a made-up token gets is the same."""
    plain, longer = (
        httpx.request(method, f"{url}{path}?{asked}") for asked in ("token=none", query.format(APPENDED))
    )
    assert (plain.status_code, longer.status_code) == (404, 404)
    assert plain.headers["content-type"] == longer.headers["content-type"] == "text/html; charset=utf-8"
    assert plain.text == longer.text


@pytest.mark.parametrize("path", ["/v1/confirm", "/v1/unsubscribe"])
@pytest.mark.parametrize("query", ["", "utm_source=mail", "token=a&token=b", "token="])
def test_a_link_has_one_token(url: str, path: str, query: str) -> None:
    reply = httpx.get(f"{url}{path}?{query}", headers=bearer(KEY))
    assert reply.status_code == 400
    assert [error["pointer"] for error in reply.json()["errors"]] == ["token"]

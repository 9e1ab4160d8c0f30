"""Deliveries that were not sent, as operators see them on the wire."""

from collections.abc import Iterator

import httpx
import pytest

from tests.serving import serving
from tests.wire.people import KEY, SETTINGS, bearer
from tests.wire.replies import of, publish, refused
from tidings.client import Client
from tidings.http import schemas_delivery as shapes

PATH = "/v1/admin/deliveries"
UNREACHABLE = "https://127.0.0.1/hook"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that may call this machine, where nothing listens."""
    networks = {"TIDINGS_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}
    with serving(tmp_path_factory.mktemp("deliveries"), **SETTINGS | networks) as url:
        yield url


@pytest.fixture
def app(server: str) -> Iterator[httpx.Client]:
    """The application, with a type that webhooks get."""
    with httpx.Client(base_url=server, headers=bearer(KEY)) as client:
        client.put("/v1/admin/types/ping", json={"channels": ["webhook"], "group": "none"}).raise_for_status()
        yield client


def page(app: httpx.Client, **query: object) -> shapes.UnsentDeliveriesPage:
    return of(app.get(PATH, params=query), shapes.UnsentDeliveriesPage)  # type: ignore[arg-type]


def registered(app: httpx.Client, user: str, path: str) -> str:
    """The id of an endpoint at which nothing listens."""
    body = {"channel": "webhook", "address": f"{UNREACHABLE}/{path}"}
    reply = app.post("/v1/endpoints", params={"user_id": user}, json=body)
    return of(reply, shapes.Endpoint, 201).id


def test_operators_see_what_an_endpoint_did_not_get_and_send_it_again(app: httpx.Client, server: str) -> None:
    """In pages, which a cursor continues for this endpoint alone."""
    first, second = registered(app, "ann", "1"), registered(app, "ann", "2")
    for _ in range(3):
        publish(app, verb="ping", target_user_ids=["ann"])
    begun = page(app, endpoint=first, limit=2)
    rest = page(app, endpoint=first, limit=2, cursor=begun.next_cursor)
    found = begun.items + rest.items
    assert (begun.has_more, rest.has_more, len(found)) == (True, False, 3)
    assert {(one.endpoint_id, one.user_id, one.channel, one.type) for one in found} == {
        (first, "ann", "webhook", "ping")
    }
    assert {one.state for one in found} == {"queued"}
    refused(app.get(PATH, params={"endpoint": second, "cursor": begun.next_cursor}), 400, "cursor")
    refused(app.get(PATH, params={"endpoint": "none"}), 404)
    assert len(page(app, limit=100).items) == 6
    again = of(app.post(f"{PATH}/{found[0].id}/resend"), shapes.UnsentDelivery, 202)
    assert (again.id, again.message_id, again.attempts) == (found[0].id, found[0].message_id, 0)
    with Client(server, api_key=KEY) as client:
        assert [one.id for one in client.deliveries(endpoint=first)] == [one.id for one in found]
        assert client.resend_delivery(found[1].id).state == "queued"


@pytest.mark.parametrize("id", ["0", "none", "-1", "1e3", "9" * 64, "%D9%A1"])
def test_what_is_no_delivery_cannot_be_sent_again(app: httpx.Client, id: str) -> None:
    refused(app.post(f"{PATH}/{id}/resend"), 404)

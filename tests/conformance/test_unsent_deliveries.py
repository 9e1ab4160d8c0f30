"""``tidings.ports.UnsentDeliveries``: what operators see of deliveries, and send again."""

from tests.harness import Harness
from tidings.endpoint_commands import AddEndpoint, ResendDelivery
from tidings.model import EraseUser, RecordDeliveryResults, RetryDeadLetters, SetNotificationType
from tidings.personal_data import DeliveryResult, Endpoint
from tidings.rules import Rule
from tidings.status import QueuedDelivery
from tidings.testing import START_MS, event

HOOK = Endpoint("e1", "bob", "webhook", "https://bob.test/hook", "secret", START_MS)
OTHER = Endpoint("e2", "bob", "webhook", "https://bob.test/other", "secret", START_MS)
CY = Endpoint("e3", "cy", "webhook", "https://cy.test/hook", "secret", START_MS)


def notified(store: Harness, *users: str) -> None:
    """Webhooks of bob and cy, and a notification of each of these users."""
    store.write(
        SetNotificationType("ping", Rule(channels=("webhook",), group="none")),
        *map(AddEndpoint, (HOOK, OTHER, CY)),
    )
    for user in users:
        store.publish(event("alice", "ping", targets=(user,)))


def unsent(store: Harness, endpoint: str | None = None) -> list[QueuedDelivery]:
    """All of them, in pages of two."""
    found: list[QueuedDelivery] = []
    while True:
        before = found[-1].place if found else None
        page = store.run(store.store.unsent_deliveries(endpoint, 2, before))
        assert page is not None
        found += page
        if len(page) < 2:
            return found


def settle(store: Harness, id: int, state: str, **more: object) -> None:
    store.write(RecordDeliveryResults((DeliveryResult(id, state, START_MS + 9, "HTTP 403", **more),)))  # type: ignore[arg-type]


def test_an_endpoint_lists_what_it_did_not_get(store: Harness) -> None:
    """The newest notification first, with the state, the attempts and the last error; nothing of other endpoints."""
    notified(store, "bob", "bob", "bob", "cy")
    third, second, first = unsent(store, "e1")
    settle(store, first.id, "dead")
    settle(store, second.id, "held")
    found = unsent(store, "e1")
    assert [(one.state, one.attempts, one.error) for one in found] == [
        ("queued", 0, ""),
        ("held", 0, ""),
        ("dead", 1, "HTTP 403"),
    ]
    (newest, *_) = store.rows("bob")
    assert (found[0].notification_id, found[0].user_id, found[0].type) == (newest.id, "bob", "ping")
    assert [one.endpoint_id for one in unsent(store, "e3")] == ["e3"]
    assert store.run(store.store.unsent_deliveries("e4", 9)) is None
    assert store.run(store.store.unsent_delivery(third.id)) == found[0]
    assert store.run(store.store.unsent_delivery(2**62)) is None


def test_all_endpoints_list_the_newest_delivery_first(store: Harness) -> None:
    notified(store, "bob", "cy", "bob")
    found = unsent(store)
    assert [one.id for one in found] == sorted((one.id for one in found), reverse=True)
    assert sorted(one.endpoint_id for one in found) == ["e1", "e1", "e2", "e2", "e3"]
    assert [one.created_at for one in found] == sorted((one.created_at for one in found), reverse=True)


def test_a_delivery_is_sent_again(store: Harness) -> None:
    """A dead letter, one that waits for its next attempt, and one that is held; no other one of the endpoint."""
    for state in ("dead", "failed", "held"):
        notified(store, "bob")
        (one, *_) = unsent(store, "e1")
        settle(store, one.id, state)
        assert store.changed(ResendDelivery(one.id)) == 1
        again = store.run(store.store.unsent_delivery(one.id))
        assert again is not None
        assert (again.state, again.attempts, again.due_at) == ("queued", 0, store.clock.now())
        assert one.id in {due.id for due in store.run(store.store.deliveries(store.clock.ms, 99))}
        settle(store, one.id, "sent")
        assert store.changed(ResendDelivery(one.id)) == 0
    assert store.changed(ResendDelivery(2**62)) == 0


def test_nothing_is_sent_again_to_a_disabled_endpoint(store: Harness) -> None:
    """As with all dead letters: it would refuse it again."""
    notified(store, "bob")
    (one,) = unsent(store, "e1")
    settle(store, one.id, "dead", failures=5, disables=True)
    assert [(each.usable, each.state) for each in unsent(store, "e1")] == [(False, "dead")]
    assert store.changed(ResendDelivery(one.id)) == 0
    assert store.changed(RetryDeadLetters()) == 0


def test_an_erased_user_has_none(store: Harness) -> None:
    notified(store, "bob", "cy")
    store.write(EraseUser("bob"))
    assert [one.user_id for one in unsent(store)] == ["cy"]
    assert store.run(store.store.unsent_deliveries("e1", 9)) is None

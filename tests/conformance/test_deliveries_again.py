"""``tidings.ports.DeliveryQueue``: which deliveries are owed again once an attempt has ended, and which results apply."""

import pytest

from tests.conformance.test_deliveries import HOOK, MAIL, deliveries, ping, reached
from tests.harness import Harness
from tidings.endpoint_commands import AddEndpoint, EnableEndpoint, RotateSecret
from tidings.model import Command, RecordDeliveryResults, Retract
from tidings.personal_data import DeliveryResult, Endpoint


@pytest.mark.parametrize("state", ["sent", "dead", "dropped"])
def test_what_joined_a_group_during_an_attempt_is_owed(store: Harness, state: str) -> None:
    """The fault: it was held to wait for the endpoint already, and the end of the attempt settled it unsent. The same of a
    delivery that is dropped, such as for a topic that its newest event has, and that the one that joined does not."""
    reached(store, MAIL)
    ping(store)
    (first,) = deliveries(store)
    store.clock.advance(5)
    joined = ping(store)
    assert first.row is not None
    for retracted in (False, True):
        if retracted:
            store.write(Retract(joined))
        (waiting,) = deliveries(store)
        ended = DeliveryResult(waiting.id, state, order=first.row.order)
        store.write(RecordDeliveryResults((ended,)))
        again = [(each.row and each.row.size, each.created_at, each.attempts) for each in deliveries(store)]
        assert again == ([] if retracted else [(2, store.clock.ms, 0)])


@pytest.mark.parametrize(("group", "owed"), [("k", 0), ("kr", 0), ("rk", 1), ("kk", 1)])
@pytest.mark.parametrize("state", ["sent", "dead"])
def test_the_item_that_began_a_group_is_not_owed_again(
    store: Harness, state: str, group: str, owed: int
) -> None:
    """The fault: the stores differed where an attempt is said to have carried less than the first item, in a group of one,
    or that has only the first left. Only what joined the group is owed. Items are
    kept or retracted."""
    reached(store, MAIL)
    store.tell("bob", "post")
    ids = [ping(store) for _ in group]
    store.write(*(Retract(id) for id, fate in zip(ids, group, strict=True) if fate == "r"))
    (waiting,) = deliveries(store)
    store.write(RecordDeliveryResults((DeliveryResult(waiting.id, state, order=1),)))
    assert len(deliveries(store)) == owed


@pytest.mark.parametrize("state", ["sent", "dropped", "gone"])
def test_what_an_attempt_carried_is_not_owed_again(store: Harness, state: str) -> None:
    reached(store, MAIL)
    ping(store)
    ping(store)
    (waiting,) = deliveries(store)
    assert waiting.row is not None
    store.write(RecordDeliveryResults((DeliveryResult(waiting.id, state, order=waiting.row.order),)))
    assert deliveries(store) == []


@pytest.mark.parametrize(
    "change",
    [AddEndpoint(HOOK), EnableEndpoint("bob", HOOK.id), RotateSecret("bob", HOOK.id, "another")],
    ids=lambda command: type(command).__name__,
)
@pytest.mark.parametrize("state", ["gone", "dead"])
def test_a_refusal_of_a_former_registration_is_ignored(store: Harness, state: str, change: Command) -> None:
    """The fault: an endpoint was registered again during an attempt, with 201, and the end of that attempt removed or
    disabled it."""
    reached(store, HOOK)
    ping(store)
    (read,) = deliveries(store)
    store.write(change)
    refused = DeliveryResult(
        read.id, state, error="no", failures=5, disables=True, revision=read.endpoint.revision
    )
    assert store.changed(RecordDeliveryResults((refused,))) == 0
    (again,) = deliveries(store)
    assert (again.attempts, again.endpoint.failures, again.endpoint.disabled_at) == (0, 0, 0)
    refused = DeliveryResult(
        read.id, state, error="no", failures=5, disables=True, revision=again.endpoint.revision
    )
    assert store.changed(RecordDeliveryResults((refused,))) == 1
    found = [each.disabled_reason for each in store.run(store.store.endpoints("bob"))]
    assert (found, deliveries(store)) == ([] if state == "gone" else ["no"], [])


@pytest.mark.parametrize("state", ["failed", "dead"])
def test_an_endpoint_has_its_last_error(store: Harness, state: str) -> None:
    """Until an attempt succeeds or it is registered again; what was not tried leaves it."""

    def last(of: Endpoint) -> tuple[str, int]:
        (one,) = (one for one in store.run(store.store.endpoints("bob")) if one.id == of.id)
        return one.last_error, one.last_error_at

    def settle(state: str, error: str = "", *, tried: bool = True) -> None:
        (first, *_) = (one.id for one in deliveries(store) if one.endpoint.id == HOOK.id)
        result = DeliveryResult(first, state, store.clock.ms, error, tried=tried)
        store.write(RecordDeliveryResults((result,)))

    reached(store, HOOK, MAIL)
    for number in range(4):
        ping(store, f"item:{number}")
    assert last(HOOK) == ("", 0)
    store.clock.advance(5)
    settle(state, "HTTP 503")
    failed_at = store.clock.ms
    assert last(HOOK) == ("HTTP 503", failed_at)
    assert last(MAIL) == ("", 0)
    store.clock.advance(5)
    settle("failed", "not tried", tried=False)
    assert last(HOOK) == ("HTTP 503", failed_at)
    settle("sent")
    assert last(HOOK) == ("", 0)
    settle("failed", "HTTP 500")
    store.write(EnableEndpoint("bob", HOOK.id))
    assert last(HOOK) == ("", 0)

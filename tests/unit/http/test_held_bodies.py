"""Which bodies are not taken while others are held."""

import pytest

from tidings.errors import TooManyRequests, Unavailable
from tidings.http.held_bodies import HeldBodies

MOST, MOST_OF_ONE = 100, 60


@pytest.fixture
def bodies() -> HeldBodies:
    """Nothing is held."""
    return HeldBodies(MOST, MOST_OF_ONE)


def test_one_address_holds_no_more_than_its_share(bodies: HeldBodies) -> None:
    """Others still have room, and so has it when its requests are answered."""
    bodies.hold("a", 0, 50)
    with pytest.raises(TooManyRequests):
        bodies.hold("a", 0, 11)
    bodies.hold("b", 0, 11)
    bodies.change("a", -50)
    bodies.hold("a", 0, 11)
    assert bodies.total == 22


def test_all_together_hold_no_more_than_there_is(bodies: HeldBodies) -> None:
    """The addresses that are counted in all only included."""
    bodies.hold("a", 0, 50)
    bodies.hold("", 0, 50)
    with pytest.raises(Unavailable):
        bodies.hold("b", 0, 1)


def test_a_body_that_grows_is_counted_once(bodies: HeldBodies) -> None:
    """Each chunk adds itself alone."""
    bodies.hold("a", 0, 30)
    bodies.hold("a", 30, 55)
    bodies.hold("b", 0, 45)
    assert bodies.total == MOST


def test_a_body_fits_when_it_is_the_only_one(bodies: HeldBodies) -> None:
    """A bound below the cap of one body refuses none for ever."""
    bodies.hold("a", 0, 90)
    bodies.hold("a", 90, 200)
    assert bodies.total == 200

"""What befalls them: each blow is struck once and lasts a while, or until calm returns."""

from collections.abc import Callable

from tests.simulation.world import World

LONG_MS = 3_600_000
"""How far the wall clock jumps at most."""

Blow = Callable[[World], None]


def cut(world: World) -> None:
    """Some connections break, or all."""
    share = world.rng.choice((0.3, 1.0))
    for reader in world.readers:
        if reader.connection is not None and world.rng.random() < share:
            reader.connection.reset()


def vanish(world: World) -> None:
    """A connection goes silent."""
    connection = world.some_reader().connection
    if connection is not None:
        connection.vanish()


def stall(world: World) -> None:
    """Nothing arrives over a connection for a while; then everything."""
    connection = world.some_reader().connection
    if connection is not None:
        connection.stall(world.rng.uniform(0.5, 40))


def lag(world: World) -> None:
    """The network is slow."""
    world.trouble.latency_s = world.rng.choice((0.001, 0.2, 2.0))


def loss(world: World) -> None:
    """Requests and answers get lost."""
    world.trouble.packet_lost = world.rng.choice((0.05, 0.3))


def hints(world: World) -> None:
    """The bus does what it likes."""
    world.trouble.hint_lost = world.rng.choice((0.0, 0.3, 1.0))
    world.trouble.hint_twice = world.rng.choice((0.0, 0.5))
    world.trouble.hint_late_s = world.rng.choice((0.0, 0.2, 3.0))


def disk(world: World) -> None:
    """The store is slow, or fails, after which a hub has to look at everything."""
    world.trouble.store_slow_s = world.rng.choice((0.002, 0.05, 0.5, 3.0))
    world.trouble.store_fails = 0.0 if world.plan.unaided else world.rng.choice((0.0, 0.05, 0.3))


def crash(world: World) -> None:
    """The server dies."""
    world.crash(world.rng.uniform(0, 5))


def drain(world: World) -> None:
    """The server leaves in good order, and another comes."""
    world.drain(world.rng.uniform(0, 2))


def wall(world: World) -> None:
    """Somebody sets the clock."""
    world.clock.ahead_ms += world.rng.randint(-LONG_MS, LONG_MS)


def away(world: World) -> None:
    """A device is put away, or taken out again."""
    reader = world.some_reader()
    if reader.on:
        reader.stop()
        world.note(reader.name, "is put away")
    else:
        reader.start()
        world.note(reader.name, "is taken out")


def reinstall(world: World) -> None:
    """A device begins with nothing."""
    reader = world.some_reader()
    reader.stop()
    reader.forget()
    reader.start()
    world.note(reader.name, "begins anew")


def dawdle(world: World) -> None:
    """A device takes its time over every item."""
    world.some_reader().dawdle_s = world.rng.choice((0.1, 1.0, 5.0))


ALL: dict[str, Blow] = {
    blow.__name__: blow
    for blow in (cut, vanish, stall, lag, loss, hints, disk, crash, drain, wall, away, reinstall, dawdle)
}

"""The leaders of a window among crowds of equals, against sorting everybody (I7), and within their memory (I12)."""

from collections import deque
from operator import attrgetter
from random import Random

from tidings.projections.tie_bucket import CHUNK, Cell, TieBucket
from tidings.projections.top_k import KEPT, MOST, TopK

LIMIT = 100
_count = attrgetter("minute")


class Window:
    """Leaders beside all cells that they were told of."""

    def __init__(self) -> None:
        self.leaders = TopK(_count)
        self.cells: dict[str, Cell] = {}

    def change(self, key: str, by: int) -> None:
        """Add events of a key, or let some leave, as a tally does."""
        cell = self.cells.setdefault(key, Cell(key))
        cell.minute += by
        if by > 0 and cell.minute >= self.leaders.floor >= cell.minute - by:
            self.leaders.admit(cell)
            self.leaders.settle()
        if not cell.minute:
            del self.cells[key]

    def truth(self) -> list[Cell]:
        """The first of everybody."""
        return sorted(self.cells.values(), key=lambda cell: (-cell.minute, cell.key))[:LIMIT]


def test_ids_that_count_upwards_are_ranked_without_looking_at_everybody() -> None:
    """When the first of many equals leave one after the other, those behind them are known already."""
    window, alive = Window(), deque[str]()
    for number in range(12 * MOST):
        alive.append(f"{number:08}")
        window.change(alive[-1], 1)
        if len(alive) > 4 * MOST:
            window.change(alive.popleft(), -1)
        if number % KEPT == 0:
            assert window.leaders.best(LIMIT, ()) == window.truth()


def test_keys_that_left_a_tie_are_forgotten_though_nobody_asks() -> None:
    """I12: without any query the crowd stays in proportion to who is in it."""
    for ascending in (True, False):
        random, window, alive = Random(7), Window(), deque[str]()
        for number in range(100 * CHUNK):
            alive.append(f"{number if ascending else random.getrandbits(60):020}")
            window.change(alive[-1], 1)
            if len(alive) > 5 * CHUNK:
                window.change(alive.popleft(), -1)
            assert window.leaders.waiting <= 3 * len(alive) + 2 * CHUNK
        assert window.leaders.best(LIMIT, ()) == window.truth()


def test_leaders_equal_sorting_all_keys_while_whole_ties_rise_and_fall() -> None:
    """I7: the floor moves up with a crowd, down when it leaves, and no key is lost on the way."""
    random, window = Random(3), Window()
    floors = set()
    for low, high, by in ((0, 3_000, 1), (0, 3_000, 2), (2_500, 6_000, 1), (0, 2_950, -2), (0, 3_000, -1)):
        for number in random.sample(range(low, high), high - low):
            window.change(f"{number:05}", by)
        for _ in range(600):
            raised = f"{random.randrange(6_000):05}"
            window.change(raised, 1)
            if random.random() < 0.5:
                window.change(raised, -1)
        assert window.leaders.best(LIMIT, window.cells.values()) == window.truth()
        floors.add(window.leaders.floor)
    assert len(floors) > 1


def test_a_tie_is_taken_in_the_order_of_its_keys() -> None:
    """Chunk after chunk, each with keys below all that remain, nobody twice, nobody who has left."""
    random = Random(1)
    cells = [Cell(f"{random.getrandbits(40):013}", minute=1 + number % 2) for number in range(10 * CHUNK)]
    crowd = TieBucket(_count, 1, [cell for cell in cells if cell.minute == 1])
    leaving = cells[0]
    leaving.minute = 0
    taken: list[Cell] = []
    while crowd.low is not None:
        low = crowd.low
        chunk = crowd.take()
        assert all(low <= cell.key and (crowd.low is None or cell.key < crowd.low) for cell in chunk)
        taken += chunk
    assert sorted(cell.key for cell in taken) == sorted(cell.key for cell in cells if cell.minute == 1)

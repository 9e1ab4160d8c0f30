"""A generator that runs in another process, on a core of its own, and answers what it is asked."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Generic, ParamSpec, TypeVar

from bench.cores import measure_from

P = ParamSpec("P")
Question = TypeVar("Question")
Reply = TypeVar("Reply")

STOP_S = 60
"""How long such a process may take to end."""


class Afar(Generic[Question, Reply]):
    """The near end. What the generator yields before it was asked anything is ``first``."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.first = self.reply()

    def ask(self, question: Question) -> Reply:
        """What the generator yields to this question. Raises what it raises."""
        self.begin(question)
        return self.reply()

    def begin(self, question: Question) -> None:
        """Ask, and do something else until the :meth:`reply`."""
        self._pipe.send(question)

    def reply(self) -> Reply:
        """What the generator yields to the question that was asked last. Raises what it raises."""
        reply: Reply | Exception = self._pipe.recv()
        if isinstance(reply, Exception):
            raise reply
        return reply


@contextmanager
def afar(
    place: int, function: Callable[P, Generator[Reply, Question]], *args: P.args, **kwargs: P.kwargs
) -> Iterator[Afar[Question, Reply]]:
    """Run a generator function of a module in a new process on one core; it is closed with the block."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(place, there, function, args, kwargs))
    process.start()
    there.close()
    try:
        yield Afar(here)
    finally:
        here.close()
        process.join(STOP_S)
        process.kill()


def _run(place: int, pipe: Connection, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    measure_from(place)
    generator = function(*args, **kwargs)
    try:
        pipe.send(next(generator))
        while True:
            pipe.send(generator.send(pipe.recv()))
    except EOFError:
        generator.close()
    except Exception as error:
        pipe.send(error)

"""One description of each method, performed by the synchronous and the asynchronous client alike."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from tidings.client.arguments import checked_arguments
from tidings.client.request import Call, Series

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class HasItems(Protocol[T_co]):
    """A page."""

    @property
    def items(self) -> tuple[T_co, ...]:
        """Its items."""
        ...


class Now(Protocol):
    """Performs calls while the caller waits."""

    def carry_out(self, call: Call[T]) -> T:
        """The result of the call."""
        ...

    def walk(self, series: Series[HasItems[T]]) -> Iterator[T]:
        """The items of one page after the other."""
        ...


class Soon(Protocol):
    """Performs calls on the event loop."""

    async def carry_out_soon(self, call: Call[T]) -> T:
        """The result of the call."""
        ...

    def walk_soon(self, series: Series[HasItems[T]]) -> AsyncIterator[T]:
        """The items of one page after the other."""
        ...


class operation(Generic[P, T]):
    """A method that is described by its call."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self._describe = describe
        self._checked = checked_arguments(describe)
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: Now, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Soon, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        """The method of a client."""
        if client is None:
            return self
        carry_out = getattr(client, "carry_out", None) or client.carry_out_soon
        return _bound(self._checked, client, carry_out)


class listing(Generic[P, T]):
    """A method that is described by its pages, and iterates over their items."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Series[HasItems[T]]]) -> None:
        self._describe = describe
        self._checked = checked_arguments(describe)
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: Now, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: Soon, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        """The method of a client."""
        if client is None:
            return self
        walk = getattr(client, "walk", None) or client.walk_soon
        return _bound(self._checked, client, walk)


def methods_of(client: type) -> dict[str, operation[Any, Any] | listing[Any, Any]]:
    """The described methods of a client by name, those of its own class first."""
    found: dict[str, operation[Any, Any] | listing[Any, Any]] = {}
    for part in client.__mro__:
        found |= {name: one for name, one in vars(part).items() if isinstance(one, operation | listing)}
    return found


def _bound(describe: Callable[..., Any], client: object, run: Callable[[Any], Any]) -> Callable[..., Any]:
    def method(*args: Any, **named: Any) -> Any:
        return run(describe(client, *args, **named))

    return update_wrapper(method, describe)

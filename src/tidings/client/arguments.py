"""What the arguments of a call are, checked before anything is sent: a text is not a list of its letters."""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, wraps
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

P = ParamSpec("P")
R = TypeVar("R")
Take = Callable[[str, Any], Any]
"""The value of the argument of this name, as it is used. Raises TypeError or ValueError, which name the argument."""


class _Kind(NamedTuple):
    """What an argument may be, in words; whether a value is of it; the value that is used."""

    phrase: str
    accepts: Callable[[Any], bool]
    take: Take = lambda _, value: value


def checked_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which refuses arguments that its annotations exclude: texts, sequences, records, functions and
    words. Numbers, times and what has no annotation are the server's to judge."""
    signature = inspect.signature(function)

    @wraps(function)
    def checked(*args: P.args, **named: P.kwargs) -> R:
        bound = _bound(signature, args, named)
        takers = _takers(function)
        for name, value in bound.arguments.items():
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                bound.arguments[name] = {key: _taken(takers, key, given) for key, given in value.items()}
            else:
                bound.arguments[name] = _taken(takers, name, value)
        return function(*bound.args, **bound.kwargs)

    return checked


def _bound(
    signature: inspect.Signature, args: Sequence[Any], named: Mapping[str, Any]
) -> inspect.BoundArguments:
    """The arguments by parameter. Raises TypeError, which names those that are given by name if too many are not."""
    try:
        return signature.bind(*args, **named)
    except TypeError as error:
        parameters = signature.parameters.values()
        by_name = [f"{one.name}=" for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
        by_place = [one for one in parameters if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        if by_name and len(args) > len(by_place):
            raise TypeError(f"{error}; these are given by name: {', '.join(by_name)}") from None
        raise


def _taken(takers: Mapping[str, Take], name: str, value: Any) -> Any:
    return takers[name](name, value) if name in takers else value


@cache
def _takers(function: Callable[..., Any]) -> dict[str, Take]:
    """By name of the argument; read at the first call, when every name in an annotation is defined."""
    hints = get_type_hints(function)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            (members,) = get_args(hints.pop(parameter.name))
            hints |= {name: hint | None for name, hint in get_type_hints(members).items()}
    found = ((name, _taker(hint)) for name, hint in hints.items())
    return {name: take for name, take in found if take is not None}


def _taker(hint: Any) -> Take | None:
    """None for a type that is not checked."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [kind for member in members if (kind := _kind(member)) is not None]
    if len(kinds) < len(members):
        return None

    def take(name: str, value: Any) -> Any:
        for kind in kinds:
            if kind.accepts(value):
                return kind.take(name, value)
        phrases = " or ".join(kind.phrase for kind in kinds if kind.phrase)
        raise TypeError(f"{name}: expected {phrases}, got {type(value).__name__}")

    return take


def _kind(hint: Any) -> _Kind | None:
    origin = get_origin(hint) or hint
    if origin is NoneType:
        return _Kind("", lambda value: value is None)
    if origin is str:
        return _Kind("a string", _is_text)
    if origin is Literal:
        return _Kind("a string", _is_text, _word(get_args(hint)))
    if origin in (Sequence, Collection, Iterable):
        return _series(get_args(hint)[0])
    if origin is Mapping:
        return _Kind("a mapping", _is_record)
    if origin is Callable:
        return _Kind("a function", callable)
    if isinstance(origin, type) and issubclass(origin, Struct):
        return _Kind(origin.__name__, _is_record)
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_record(value: Any) -> bool:
    return isinstance(value, Struct | Mapping)


def _is_series(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | Mapping)


_ELSEWHERE = {
    ("state", "snooze"): "; snooze and snooze_many take the time of its end",
    ("state", "mute"): "; mute_thread mutes the object of a notification",
}
"""The calls for words that an argument does not take."""


def _word(words: Sequence[str]) -> Take:
    """One of these words. A word in a path would get a 404 that does not name it."""

    def take(name: str, value: Any) -> Any:
        if value not in words:
            accepted = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
            hint = _ELSEWHERE.get((name, value), "") if isinstance(value, str) else ""
            raise ValueError(f"{name}: expected {accepted}, got {value!r}{hint}")
        return value

    return take


def _series(item: Any) -> _Kind:
    """Several values: those of a collection are checked at once, those of an iterator as they come."""
    take = _taker(item)
    plural = "strings" if item is str else "pairs" if get_origin(item) is tuple else "events"

    def items(name: str, values: Iterable[Any]) -> Iterator[Any]:
        for index, value in enumerate(values):
            yield value if take is None else take(f"{name}[{index}]", value)

    def taken(name: str, values: Iterable[Any]) -> Any:
        return tuple(items(name, values)) if isinstance(values, Collection) else items(name, values)

    return _Kind(f"a list of {plural}", _is_series, taken)

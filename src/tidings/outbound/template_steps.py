"""The steps of a template: a bound on the work of rendering it, which is the same on each machine.

A template takes a step for each element of it that is evaluated, and further ones for long texts and for lists. The steps
are counted where a template begins, in each block and in each pass of a loop, so no nesting multiplies work without a
count.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from jinja2 import ChainableUndefined, nodes
from jinja2.filters import FILTERS
from jinja2.runtime import Context, markup_join
from jinja2.utils import _PassArg, pass_context

MAX_STEPS: Final = 10_000
"""Steps of one part of a mail, about a microsecond each: 200 for each notification that a mail lists."""
MAX_TEXT: Final = 16_384
"""Characters of a text that an expression makes: more than the values of a notification have together."""
MAX_CONSTANT: Final = 1_000
"""Characters of a text that is written in an expression."""
CHARACTERS_PER_STEP: Final = 16
"""Characters that a filter processes in a step: the slowest, ``urlencode``, takes about a microsecond for so many."""
DATA_PER_STEP: Final = 512
"""Characters of literal text that are copied in a step."""
CONTAINER_STEPS: Final = 200
"""Steps of a comparison with a list or an object, which may have thousands of members."""
FILTERS_ALLOWED = (
    *("abs", "capitalize", "d", "default", "e", "escape", "first", "int", "last", "length", "lower"),
    *("title", "trim", "truncate", "upper", "urlencode"),
)
"""The filters of Jinja2 whose result is not longer than what they are given, or by a constant factor."""
_LEFT = "steps_left"
_LIMITED = "limited"
_CHARGED = "charged"
_SUMMED = "summed"
_CONCATENATED = "concatenated"
_COMPARED = "compared"


class Faulty(Exception):
    """A template does what none may do, while it is rendered."""


def budget() -> dict[str, object]:
    """The values that a rendering needs beside those of the mail."""
    return {_LEFT: [MAX_STEPS]}


def filters() -> dict[str, Callable[..., Any]]:
    """The filters of templates, and those that :func:`count` inserts."""
    own: dict[str, Callable[..., Any]] = {"join": _joined, _LIMITED: _limited, _CHARGED: _charged}
    own |= {_CONCATENATED: _concatenated, _SUMMED: _summed, _COMPARED: _compared}
    return {name: _counted(FILTERS[name]) for name in FILTERS_ALLOWED} | own


def count(tree: nodes.Template) -> None:
    """Have a template count its steps."""
    bodies: list[nodes.Template | nodes.Block] = [tree, *tree.find_all(nodes.Block)]
    charges = [nodes.Const(_weight(body), lineno=body.lineno) for body in bodies]
    for loop in tree.find_all(nodes.For):
        passes = nodes.Const(_weight(loop), lineno=loop.lineno)
        loop.iter = nodes.Filter(loop.iter, _LIMITED, [passes], [], None, None, lineno=loop.lineno)
    for compare in tree.find_all(nodes.Compare):
        compare.expr = _filter(compare.expr, _COMPARED)
        for operand in compare.ops:
            operand.expr = _filter(operand.expr, _COMPARED)
    for parent in list(tree.find_all(nodes.Node)):
        for name, value in list(parent.iter_fields()):
            if isinstance(value, list):
                value[:] = [_replaced(one) for one in value]
            else:
                setattr(parent, name, _replaced(value))
    for body, steps in zip(bodies, charges, strict=True):
        body.body.insert(0, nodes.ExprStmt(_filter(steps, _CHARGED), lineno=body.lineno))


def _weight(body: nodes.Node) -> int:
    """The steps of the elements of a template, a block or a pass of a loop, each taken once."""
    data = sum(len(text.data) // DATA_PER_STEP for text in body.find_all(nodes.TemplateData))
    return 1 + data + sum(1 for _ in body.find_all(nodes.Node))


def _filter(value: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)


def _replaced(node: object) -> object:
    """``~`` as a filter that limits its result, and ``+`` of two values likewise."""
    if isinstance(node, nodes.Concat):
        return _filter(nodes.List(node.nodes, lineno=node.lineno), _CONCATENATED)
    if isinstance(node, nodes.Add):
        return _filter(node, _SUMMED)
    return node


def _take(context: Context, steps: int) -> None:
    left = context[_LEFT]
    left[0] -= steps
    if left[0] < 0:
        raise Faulty(f"it takes over {MAX_STEPS:,} steps")


def _short(context: Context, value: Any) -> Any:
    """A value, if it is no text that is too long."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise Faulty(f"a text has over {MAX_TEXT:,} characters")
        _take(context, len(value) // CHARACTERS_PER_STEP)
    return value


def _counted(found: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes steps for the length of its text and of its result."""
    first = _PassArg.from_obj(found)

    @pass_context
    def counted(context: Context, value: object, *args: object, **named: object) -> Any:
        _short(context, value)
        passed: list[object] = [context.environment] if first is _PassArg.environment else []
        if first is _PassArg.eval_context:
            passed = [context.eval_ctx]
        return _short(context, found(*passed, value, *args, **named))

    return counted


@pass_context
def _charged(context: Context, steps: int) -> str:
    """Take so many steps."""
    _take(context, steps)
    return ""


@pass_context
def _summed(context: Context, value: Any) -> Any:
    """A sum: of two texts or lists it takes steps for its length."""
    if isinstance(value, (list, tuple)):
        _take(context, len(value))
    return _short(context, value)


@pass_context
def _compared(context: Context, value: Any) -> Any:
    """A value that is compared."""
    if isinstance(value, (list, tuple, Mapping)):
        _take(context, CONTAINER_STEPS)
    return value


@pass_context
def _concatenated(context: Context, values: list[Any]) -> Any:
    """The values as one text, escaped where the template escapes."""
    texts: list[str] = []
    size = 0
    for value in values:
        text = value if isinstance(value, str) else str(value)
        size += len(text)
        if size > MAX_TEXT:
            raise Faulty(f"a text has over {MAX_TEXT:,} characters")
        texts.append(text)
    _take(context, size // CHARACTERS_PER_STEP)
    if context.eval_ctx.autoescape:
        return _short(context, markup_join(texts))
    return "".join(texts)


@pass_context
def _limited(context: Context, value: object, steps: int) -> Iterator[Any]:
    """The items of a list, each of which takes as many steps as its pass has."""
    if isinstance(value, ChainableUndefined):
        return
    if not isinstance(value, (list, tuple, Mapping)):
        raise Faulty("for takes a list")
    for item in value:
        _take(context, steps)
        yield item


@pass_context
def _joined(context: Context, value: object, between: str = "") -> str:
    """A list as text. Not a text, whose characters would each be followed by another text."""
    if isinstance(value, ChainableUndefined):
        return ""
    if not isinstance(value, (list, tuple)):
        raise Faulty("join takes a list")
    _take(context, min(len(value), MAX_STEPS))
    text: str = _short(context, between.join(map(str, islice(value, MAX_STEPS))))
    return text

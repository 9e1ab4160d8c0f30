"""The templates of mails: the default ones, and those in the folder of the setting ``mail_templates``.

A folder has ``reply.html`` and ``reply.txt`` for mails with one notification of the type ``reply``, ``_digest.html`` for
those with several, and ``_mail.html`` for all others; ``reply.pt-BR.html`` is for one language. They are read, compiled,
checked and rendered with samples once, when the server starts.

Operators write templates, and users the texts in them. Texts are escaped in HTML, and no template can turn that off. What a
template may do is restricted so that a mail takes a bounded time and size, whatever is in it: no calls, no macros, no
multiplication, and a number of steps for each part of a mail. :mod:`~tidings.outbound.template_steps` counts them.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path
from traceback import extract_tb
from typing import Any, NamedTuple

from jinja2 import ChainableUndefined, FunctionLoader, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS

from tidings.config import KIB, ConfigError
from tidings.outbound import template_steps
from tidings.outbound.channel import OutboundMessage
from tidings.outbound.mail_content import MailContent, MailNote, mail_content
from tidings.outbound.mail_samples import samples
from tidings.outbound.template_steps import Faulty
from tidings.projections.templates import chain, known_locale

SETTING = "mail_templates"
MAX_FILES = 1_000
"""Templates in a folder: some tens of types in some tens of languages."""
MAX_TEMPLATE_BYTES = 64 * KIB
"""Bytes of one template."""
MAX_MAIL_CHARACTERS = 256 * KIB
"""Characters of one rendered part: mail programs cut a mail at 100 KB."""
DEFAULT = "default/mail"
ALL = "_mail"
"""The name of templates for all mails that have no other."""
SEVERAL = "_digest"
"""The name of templates for mails with several notifications."""
KINDS = ("html", "txt")
TESTS_ALLOWED = (
    *(
        "boolean",
        "defined",
        "even",
        "false",
        "float",
        "integer",
        "iterable",
        "mapping",
        "none",
        "number",
        "odd",
    ),
    *("sequence", "string", "true", "undefined"),
)
"""The tests of Jinja2 that look at one value, whatever its size."""
_REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.Include: "include is not available; extends and blocks are",
    nodes.Import: "import is not available",
    nodes.FromImport: "import is not available",
    nodes.Macro: "macro is not available",
    nodes.CallBlock: "call is not available",
    nodes.With: "with is not available",
    nodes.AssignBlock: "set takes a constant",
    nodes.ScopedEvalContextModifier: "autoescape cannot be changed: texts of users would become HTML",
    nodes.EvalContextModifier: "autoescape cannot be changed: texts of users would become HTML",
    nodes.Mul: "* is not available",
    nodes.Pow: "** is not available",
    nodes.Mod: "% is not available",
    nodes.FilterBlock: "filter blocks are not available; filters of values are",
}
_log = logging.getLogger(__name__)


class MailParts(NamedTuple):
    """The subject of one mail, and the two forms of its content."""

    subject: str
    text: str
    html: str


class _Source(NamedTuple):
    text: str
    path: str


class _Environment(ImmutableSandboxedEnvironment):
    """Compiles templates, and refuses what none may contain."""

    def __init__(self, sources: Mapping[str, _Source]) -> None:
        def load(name: str) -> tuple[str, str, None] | None:
            found = sources.get(name)
            return None if found is None else (found.text, found.path, None)

        super().__init__(
            loader=FunctionLoader(load),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=ChainableUndefined,
            auto_reload=False,
            cache_size=-1,
            keep_trailing_newline=True,
            trim_blocks=False,
        )
        self._names = frozenset(sources)
        self._parents: dict[str, list[str]] = {}
        self.globals.clear()
        self.filters = template_steps.filters()
        self.tests = {name: TESTS[name] for name in TESTS_ALLOWED}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A member of metadata by its name, also if objects of Python have a method of that name."""
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for message, line in (*_faults(tree, self._names), *self._cycles(tree, name or "")):
            raise TemplateSyntaxError(message, line, name, filename)
        template_steps.count(tree)
        tree.set_environment(self)
        return tree

    def _cycles(self, tree: nodes.Template, name: str) -> Iterator[tuple[str, int]]:
        """The parents of a template that lead back to it, each with its line. A parent is parsed after its child."""
        found = [one for one in tree.find_all(nodes.Extends) if isinstance(one.template, nodes.Const)]
        self._parents[name] = [one.template.value for one in found]  # type: ignore[attr-defined]
        for one, parent in zip(found, self._parents[name], strict=True):
            if (path := self._path(parent, name)) is not None:
                yield f"it extends itself{' by ' if path else ''}{', '.join(path)}", one.lineno

    def _path(self, of: str, to: str) -> list[str] | None:
        """The templates from one to another by parents, without the latter; None if no parents lead to it."""
        paths, queue = {of: [of]}, [of]
        for at in queue:  # which grows
            if at == to:
                return paths[at][:-1]
            for parent in self._parents.get(at, ()):
                if parent not in paths:
                    paths[parent] = [*paths[at], parent]
                    queue.append(parent)
        return None


class MailTemplates:
    """The templates of a server. ``folder``: that of the setting, "" for the default ones alone. Raises ConfigError for the
    first fault, with its file and line."""

    def __init__(self, folder: str = "") -> None:
        sources = dict(_defaults())
        if folder:
            sources |= _read(Path(folder))
        self._environment = _Environment(sources)
        self._templates = {name: self._checked(name, source.path) for name, source in sources.items()}
        self._warned: set[str] = set()

    def render(self, notes: Sequence[OutboundMessage], public_url: str, site: str) -> MailParts:
        """The subject, the text and the HTML of a mail with these messages, newest first. A part whose template fails with
        them has the default form."""
        content = mail_content(notes, public_url, site)
        name = notes[0].type if len(notes) == 1 else SEVERAL
        html, text = (self._part(name, notes[0].locale, kind, content) for kind in KINDS)
        return MailParts(content.subject, text, html)

    def _part(self, name: str, locale: str, kind: str, content: MailContent) -> str:
        found = self.found(name, locale, kind)
        try:
            return _rendered(self._templates[found], content)
        except Exception as error:
            if found not in self._warned:  # once each: a mail in a thousand would fill the log
                self._warned.add(found)
                _log.warning("the template %s fails, so the default one is used: %s", found, _plain(error))
        return _rendered(self._templates[f"{DEFAULT}.{kind}"], content)

    def found(self, name: str, locale: str, kind: str) -> str:
        """The name of the template for a type, or for mails with several notifications, in a language."""
        for base in (name, ALL):
            for end in (*(f".{wider}" for wider in chain(locale) if locale), ""):
                if (at := f"{base}{end}.{kind}") in self._templates:
                    return at
        return f"{DEFAULT}.{kind}"

    def _checked(self, name: str, path: str) -> Template:
        """A template that compiles, and renders a mail with one sample notification and one with several."""
        try:
            template = self._environment.get_template(name)
            for notes in samples():
                _rendered(template, mail_content(notes, "https://site.example/inbox", "Site"))
        except TemplateSyntaxError as error:
            raise _refusal(error.filename or path, error.lineno, error.message or "syntax error") from None
        except Exception as error:
            lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == path]
            raise _refusal(path, lines[-1] if lines else 1, _plain(error)) from None
        return template


def _rendered(template: Template, content: MailContent) -> str:
    """Render a template, up to the limits. Raises Faulty, TemplateError or any error of an expression."""
    values = {name: getattr(content, name) for name in MailContent.__struct_fields__}
    parts: list[str] = []
    size = 0
    for part in template.generate(values | template_steps.budget()):
        size += len(part)
        if size > MAX_MAIL_CHARACTERS:
            raise Faulty(f"it has over {MAX_MAIL_CHARACTERS:,} characters")
        parts.append(part)
    return "".join(parts)


def _faults(tree: nodes.Template, known: frozenset[str]) -> Iterator[tuple[str, int]]:
    """What a template may not contain, each with its line."""
    for node in tree.find_all(nodes.Node):
        if (message := _fault(node, known)) is not None:
            yield message, node.lineno
    yield from _unknown_names(tree)


def _fault(node: nodes.Node, known: frozenset[str]) -> str | None:
    if type(node) in _REFUSED:
        return _REFUSED[type(node)]
    match node:
        case nodes.Call(node=nodes.Name(name="super"), args=[], kwargs=[]):
            return None
        case nodes.Call():
            return "calls are not available"
        case nodes.Getattr(attr=name) | nodes.Getitem(arg=nodes.Const(value=str() as name)) if (
            name[:1] == "_"
        ):
            return f"{name} is not available: it begins with _"
        case nodes.Const(value=str() as text) if len(text) > template_steps.MAX_CONSTANT:
            return f"a text in an expression has at most {template_steps.MAX_CONSTANT:,} characters"
        case nodes.For(recursive=True):
            return "recursive is not available"
        case nodes.Assign() if not isinstance(node.node, nodes.Const):
            return "set takes a constant"
        case nodes.Extends(template=nodes.Const(value=str() as name)) if name in known:
            return None
        case nodes.Extends():
            return f"extends takes the name of a template in this folder, or of a default one: {DEFAULT}.html"
    return None


def _unknown_names(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """The names that stand for nothing, and the attributes that a notification does not have: each would show nothing."""
    names = {"loop", "super", *MailContent.__struct_fields__}
    names |= {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    of_note = {"note"} | {
        loop.target.name
        for loop in tree.find_all(nodes.For)
        if isinstance(loop.target, nodes.Name)
        and isinstance(loop.iter, nodes.Name)
        and loop.iter.name == "notes"
    }
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name not in names:
            yield (
                f"there is no {name.name}; there are {', '.join(MailContent.__struct_fields__)}",
                name.lineno,
            )
    for got in tree.find_all(nodes.Getattr):
        of = got.node.name if isinstance(got.node, nodes.Name) else ""
        if of in of_note and got.attr not in MailNote.__struct_fields__:
            yield f"a note has no {got.attr}; it has {', '.join(MailNote.__struct_fields__)}", got.lineno


@cache
def _defaults() -> Mapping[str, _Source]:
    folder = files("tidings.outbound") / "mail"
    return {
        f"{DEFAULT}.{kind}": _Source((folder / f"mail.{kind}").read_text("utf-8"), f"{DEFAULT}.{kind}")
        for kind in KINDS
    }


def _read(folder: Path) -> dict[str, _Source]:
    """The templates in a folder, by name: the type, the locale in small letters, and the kind."""
    try:
        found = (path for path in folder.iterdir() if path.suffix[1:] in KINDS)
        paths = sorted(islice(found, MAX_FILES + 1))
    except OSError as error:
        raise ConfigError(f"{SETTING}: {folder}: {error.strerror}", SETTING) from None
    if len(paths) > MAX_FILES:
        raise ConfigError(f"{SETTING}: {folder} has more than {MAX_FILES:,} files", SETTING)
    sources: dict[str, _Source] = {}
    for path in paths:
        name = _name(path)
        if name in sources:
            raise ConfigError(f"{SETTING}: {path}: {sources[name].path} is for the same language", SETTING)
        sources[name] = _Source(_text(path), str(path))
    return sources


def _name(path: Path) -> str:
    """``reply.pt-BR.html`` → ``reply.pt_br.html``. Raises ConfigError for a locale that is none."""
    base, dot, locale = path.stem.rpartition(".")
    if not dot:
        return path.name
    if not known_locale(locale):
        raise ConfigError(
            f"{SETTING}: {path}: no language is known by the name {locale!r}; expected TYPE.html or TYPE.LANGUAGE.html",
            SETTING,
        )
    return f"{base}.{chain(locale)[0]}{path.suffix}"


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_TEMPLATE_BYTES:
            raise ConfigError(f"{SETTING}: {path} has over {MAX_TEMPLATE_BYTES:,} bytes", SETTING)
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{SETTING}: {path}: {error.strerror}", SETTING) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{SETTING}: {path}: it is not UTF-8 text", SETTING) from None


def _refusal(path: str, line: int | None, why: str) -> ConfigError:
    return ConfigError(f"{SETTING}: {path}:{line}: {' '.join(why.split())}", SETTING)


def _plain(error: Exception) -> str:
    """An error in one line. That of a template names no value: users' texts are in them."""
    if isinstance(error, (RecursionError, SyntaxError)):
        return "it is nested too deeply"  # for the compiler of Jinja2, or that of Python
    said = isinstance(error, (Faulty, TemplateError))
    return str(error) if said else f"{type(error).__name__} in an expression"

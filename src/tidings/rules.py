"""Rules of notification types: recipients, grouping, duplicates, templates and channels.

A type is declared in ``tidings.toml`` (``[types.like]``) or over the API; a verb without a type of its own is a type by that
name with the defaults below. This module has the declarations and the arithmetic of grouping, which every back-end shares,
so that all group alike.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from string import Formatter
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeVar, get_args

import msgspec
from msgspec import Meta

from tidings.actions import MAX_ACTIONS, MAX_LABEL, ActionId, Offer, action_errors
from tidings.errors import FieldError
from tidings.field_errors import WORDS, FieldCheck, check_own, escape, in_words, visible
from tidings.notify_mode import NotifyMode
from tidings.visibility import Visibility, VisibilityName

CHANNELS = ("email", "web_push", "webhook", "apprise")
"""The channels of delivery. Lists, counts and streams inside the application are the channel ``in_app``."""
IN_APP = "in_app"
PLACEHOLDERS = frozenset(
    {"actors", "count", "actor_count", "object", "object_type", "object_id", "title", "verb", "type"}
)
"""The names in braces that a template may use, in addition to :data:`METADATA`."""
METADATA = re.compile(r"metadata((?:\.[^.{}\[\]!:]{1,64}){1,8})\Z")
"""A value of the newest event's metadata, by its keys with dots between them: ``metadata.order.total``."""
MAX_TYPES = 1_000
"""Types that can be declared: they are all kept in memory."""
MAX_MUTES = 1_000
"""Topics that one user may mute: more than a page of settings shows, and preferences list them all."""
MAX_BLOCKS = 10_000
"""Users that one user may block: as many as shared lists of blocks have."""
READ_ALL_HISTORY = 1_000
"""Read-alls of one inbox, or of one feed, that are kept separate. They are read from the file in about a millisecond."""
MAX_WINDOW_S = 30 * 86_400
"""The longest age, gap, bucket and duplicate window: beyond a month a group is an archive."""
NO_GROUP = 0
"""The group key of items that do not group."""

MAX_VERBS = 100
"""Verbs of one type: more than an application has for one thing, and few enough to be named in an error."""
MAX_LOCALES = 100
"""Languages of one type's templates: more than any product is translated into."""
Name = Annotated[str, visible(64)]
Seconds = Annotated[int, Meta(ge=1, le=MAX_WINDOW_S)]
Template = Annotated[str, Meta(min_length=1, max_length=500)]
LabelTemplate = Annotated[str, visible(MAX_LABEL)]
Labels = Annotated[dict[ActionId, LabelTemplate], Meta(max_length=MAX_ACTIONS)]
"""The labels of a type's actions in one language."""
Locale = Annotated[
    str,
    in_words(r"\A[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*\Z", "such as en or pt-BR", min_length=2, max_length=35),
]
Channel = Literal["email", "web_push", "webhook", "apprise"]
Source = Literal["targets", "followers", "actor_followers", "topic_followers"]
"""Where recipients of an event come from: its targets, and the followers of its object, of its actor, and of the other
topics that it names."""
SOURCES: Mapping[str, tuple[Source, ...]] = {
    "none": (),
    "both": ("targets", "followers"),
    **{source: (source,) for source in get_args(Source)},
}
"""The sources that a word stands for."""
_TARGETS_ALONE: frozenset[Source] = frozenset({"targets"})
Recipients = Annotated[
    Literal["none", "both", "targets", "followers", "actor_followers", "topic_followers"]
    | Annotated[tuple[Source, ...], Meta(max_length=len(get_args(Source)))],
    Meta(extra={WORDS: "or a list of the last four"}),
]
DuplicateWindow = Annotated[int, Meta(ge=0, le=MAX_WINDOW_S)]
T = TypeVar("T")


def _message_errors(messages: Mapping[str, Mapping[str, str]]) -> Iterator[FieldError]:
    """The errors of templates with unknown names, and of locales without the form ``other``."""
    for locale, forms in messages.items():
        at = f"/messages/{escape(locale)}"
        if "other" not in forms:
            yield FieldError(at, "missing; expected the form other")
        for form, template in forms.items():
            if detail := _template_error(template):
                yield FieldError(f"{at}/{form}", detail)


class TypeAction(Offer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action of all notifications of a type. ``label``: a template, for languages without one in ``Rule.labels``."""

    label: LabelTemplate


def _action_errors(
    actions: tuple[TypeAction, ...], labels: Mapping[str, Mapping[str, str]]
) -> Iterator[FieldError]:
    """The errors of actions that have one id, and of labels with unknown names."""
    yield from action_errors(actions)
    for i, action in enumerate(actions):
        if detail := _template_error(action.label):
            yield FieldError(f"/actions/{i}/label", detail)
    ids = {action.id for action in actions}
    for locale, by_id in labels.items():
        at = f"/labels/{escape(locale)}"
        for id, template in by_id.items():
            if id not in ids:
                yield FieldError(f"{at}/{escape(id)}", "expected the id of an action of this type")
            elif detail := _template_error(template):
                yield FieldError(f"{at}/{escape(id)}", detail)


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rule of one type.

    ``verbs`` are those of its events (none: the verb of the type's own name). ``notify``: the targets of an event, the
    followers of its object, of its actor, or of its other topics, several of these as a list (both: targets and followers of
    the object), or none. Notifications of events that are older than ``notify_max_age_s`` when they are published arrive
    read (none: the setting of this name). ``group`` says how long items of one key (``group_by``) join one group; every
    group ends when it is read or archived. ``until_read``: until it is ``max_age_s`` old. ``bucket``: within one slice of
    ``bucket_s`` of UTC. ``sliding``: while the last item is younger than ``gap_s``, up to ``max_age_s``. ``none``: never. An
    event by the same actor on the same object within ``duplicate_window_s`` of one that notified a user is a duplicate and
    does not notify the user again (0: none is): of the same type, whatever its verb; without a value here, of the same verb
    within the setting of this name. ``read_together``: its notifications share their read state with their events in feeds
    and activity. Preferences and quiet hours do not apply to ``critical`` types. ``visibility`` is that of its events which
    do not say their own (none: that of ``default_visibility``).
    ``messages``: locale → plural category → template. ``actions``: what users can do about its notifications, unless an
    event has actions of its own; ``labels``: locale → id of an action → template.
    """

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (
        FieldCheck(("messages",), _message_errors),
        FieldCheck(("actions", "labels"), _action_errors),
    )

    verbs: Annotated[tuple[Name, ...], Meta(max_length=MAX_VERBS)] = ()
    notify: Recipients = "targets"
    notify_max_age_s: Seconds | None = None
    group: Literal["until_read", "bucket", "sliding", "none"] = "until_read"
    group_by: Literal["object", "type", "actor"] = "object"
    max_age_s: Seconds = 86_400
    bucket_s: Seconds = 3_600
    gap_s: Seconds = 900
    duplicate_window_s: DuplicateWindow | None = None
    critical: bool = False
    read_together: bool = False
    visibility: VisibilityName | None = None
    channels: Annotated[tuple[Channel, ...], Meta(max_length=len(CHANNELS))] = ()
    messages: Annotated[
        dict[Locale, dict[Literal["zero", "one", "two", "few", "many", "other"], Template]],
        Meta(max_length=MAX_LOCALES),
    ] = {}
    actions: Annotated[tuple[TypeAction, ...], Meta(max_length=MAX_ACTIONS)] = ()
    labels: Annotated[dict[Locale, Labels], Meta(max_length=MAX_LOCALES)] = {}

    def __post_init__(self) -> None:
        """Raises ValueError for values that CHECKS refuse."""
        check_own(self)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the recipients of its events come from."""
        if isinstance(self.notify, tuple):
            return self.notify
        return SOURCES[self.notify]

    @property
    def to_targets(self) -> bool:
        """Whether it notifies the targets of an event."""
        return "targets" in self.sources

    @property
    def to_followers(self) -> bool:
        """Whether it notifies followers of some topics of an event that a follow brings."""
        return not _TARGETS_ALONE.issuperset(self.sources)

    def notifies_followers(self, visibility: Visibility) -> bool:
        """Whether it notifies followers of some topics of an event of this visibility."""
        return self.to_followers and visibility.reaches_followers

    def follower_topics(self, actor: T, thing: T, topics: Iterable[T]) -> list[T]:
        """Of the ``topics`` of an event, among them those of its actor and its object (``thing``), those whose followers it
        notifies."""
        sources = self.sources
        found = [thing] if "followers" in sources else []
        if "actor_followers" in sources and actor not in found:
            found.append(actor)
        if "topic_followers" in sources:
            found += [topic for topic in topics if topic not in (actor, thing)]
        return found


DEFAULT = Rule()
"""The rule of a verb that no type claims."""


class VerbClash(ValueError):
    """Two types claim one verb. ``types`` are all the types that do."""

    def __init__(self, message: str, types: frozenset[str]) -> None:
        super().__init__(message)
        self.types = types


class Rules:
    """All declared types; never changed, only replaced. Raises VerbClash when two types claim one verb."""

    def __init__(self, declared: Mapping[str, Rule] | None = None) -> None:
        self.declared = dict(declared or {})
        self._types: dict[str, str] = {}
        twice = []
        types: set[str] = set()
        for type, rule in self.declared.items():
            for verb in rule.verbs or (type,):
                other = self._types.setdefault(verb, type)
                if other != type:
                    twice.append(f"the verb {verb!r} is claimed by the types {other!r} and {type!r}")
                    types |= {other, type}
        if twice:
            raise VerbClash("; ".join(twice), frozenset(types))

    def type_of(self, verb: str) -> str:
        """The type of the events of this verb."""
        return self._types.get(verb, verb)

    def claimant(self, verb: str) -> str | None:
        """The declared type that has claimed a verb, None without one."""
        return self._types.get(verb)

    def is_verb_alone(self, name: str) -> bool:
        """Whether this is the verb of a declared type, and not the name of a type."""
        return name in self._types and name != self._types[name] and name not in self.declared

    def of_verb(self, verb: str) -> Rule:
        """The rule of the type of the events of this verb."""
        return self.declared.get(self._types.get(verb, verb), DEFAULT)

    def rule(self, type: str) -> Rule:
        """The rule of a type."""
        return self.declared.get(type, DEFAULT)


def last_to_merge(kept: int) -> int:
    """The index, among the oldest ``kept`` read-alls, of the last one of the half that is merged."""
    return (kept - 1) // 2


SET_BACK_MS = 300_000
"""Milliseconds of the future in which earlier notifications still form groups and have duplicates: what was written while a
clock was further ahead would take up later events for as long as the clock was wrong. Shorter steps are normal."""


class Grouping(NamedTuple):
    """The grouping of one item. ``key``: 63 bits that are equal for items that may share a group, NO_GROUP if it does not
    group. It joins the user's newest group of that key if that is unread, was opened after ``opened_after`` and got its last
    item after ``last_after`` (milliseconds, exclusive)."""

    key: int
    opened_after: int
    last_after: int


ALONE = Grouping(NO_GROUP, 0, 0)


def grouping(type: str, rule: Rule, actor: str, thing: str, now: int) -> Grouping:
    """The grouping of an item of this type; ``thing`` is its object as ``type:id``, ``now`` the time of the item, in ms."""
    if rule.group == "none":
        return ALONE
    about = {"object": thing, "type": "", "actor": actor}[rule.group_by]
    opened_after = now - rule.max_age_s * 1_000
    if rule.group == "bucket":
        about, opened_after = f"{about}\0{now // (rule.bucket_s * 1_000)}", -1
    last_after = now - rule.gap_s * 1_000 if rule.group == "sliding" else -1
    return Grouping(_hash(f"{type}\0{rule.group_by}\0{about}"), opened_after, last_after)


def duplicate_window(rule: Rule, default_s: int, notify: NotifyMode) -> int:
    """Seconds after a notification in which an event of this rule and mode is its duplicate; 0: it is none. ``default_s`` is
    the setting. What arrives read does not disturb its user, so each is kept."""
    own_s = rule.duplicate_window_s
    window_s = default_s if own_s is None else own_s
    if not window_s or notify is NotifyMode.READ:
        return 0
    return 0 if own_s is None and notify is NotifyMode.EACH else window_s


def duplicate_key(rule: Rule, type: str, verb: str, actor: str, thing: str) -> int:
    """63 bits that are equal for events that are duplicates of one another for a recipient: by the same actor on the same
    object, of the same type if its rule has a window of its own, else of the same verb."""
    same = verb if rule.duplicate_window_s is None else type
    return _hash(f"{same}\0{actor}\0{thing}")


def _hash(text: str) -> int:
    return (int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1) or 1


def _template_error(template: str) -> str:
    """The reason why this is no template, or ""."""
    try:
        fields = [(name, spec, how) for _, name, spec, how in Formatter().parse(template) if name is not None]
    except ValueError as error:
        return f"expected a text with paired braces, got another: {error}"
    for name, spec, how in fields:
        if spec or how or not (name in PLACEHOLDERS or METADATA.match(name)):
            there_are = ", ".join((*sorted(PLACEHOLDERS), "metadata.key"))
            return f"expected placeholders among {there_are}, got {{{name}}}"
    return ""

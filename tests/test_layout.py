"""The shape of the code: small files, short functions, narrow ports, tests that do not wait."""

import ast
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, get_args

import pytest

from tidings import backfills, display_names, endpoint_commands, inbox_commands, model, ports, user_merges

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "tidings").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

MAX_FILE_LINES = 600
MEDIAN_FILE_LINES = 180
MAX_FUNCTION_LINES = 70
MEDIAN_FUNCTION_LINES = 8
FRAGMENT_LINES = 40
MAX_JOINED_LINES = 300
"""Lines of two modules together up to which a fragment joins its only user. A larger one needs to be divided anyway."""
MAX_PORT_METHODS = 8
MAX_METHODS = 24
MAX_PORT_WIDTH = 10
MAX_WIDTH = 40

PORTS: Mapping[type[Any], tuple[type[Any], ...]] = {
    ports.EventLog: (model.Publish, model.Retract),
    ports.FeedViews: (model.MarkFeedRead, model.MarkFeedUnread, model.UndoMarkFeedRead),
    ports.InboxViews: (
        inbox_commands.SetNotificationState,
        inbox_commands.MarkAllNotificationsRead,
        inbox_commands.MarkAllNotificationsSeen,
        inbox_commands.UndoMarkAllRead,
        model.ActOnNotification,
        model.MaterializeBroadcasts,
    ),
    ports.Graph: (model.Follow, model.Unfollow, model.SetMute, model.SetBlock),
    ports.Maintenance: (model.RebuildFeeds, model.RetryDeadLetters),
}
"""The ports of a store's own, and the commands that change what each of them shows: both are work for every back-end."""
CAPABILITIES: Mapping[type[Any], tuple[type[Any], ...]] = {
    ports.FanOutProgress: (),
    ports.FeedGroups: (),
    ports.Health: (),
    ports.Preparation: (),
    ports.PreferencesViews: (model.SetNotificationType, model.SetPreferences, endpoint_commands.Unsubscribe),
    display_names.DisplayNames: (display_names.SetDisplayName,),
    ports.EndpointViews: (
        endpoint_commands.AddEndpoint,
        endpoint_commands.ConfirmEndpoint,
        endpoint_commands.EnableEndpoint,
        endpoint_commands.RotateSecret,
        endpoint_commands.ReserveConfirmation,
        endpoint_commands.RemoveEndpoint,
    ),
    ports.DeliveryQueue: (
        model.SetReminder,
        model.CancelReminder,
        model.FireReminder,
        model.RecordDeliveryResults,
    ),
    ports.UnsentDeliveries: (endpoint_commands.ResendDelivery, endpoint_commands.BoundDeliveries),
    ports.Snoozing: (inbox_commands.SnoozeNotifications, inbox_commands.ReturnSnoozed),
    ports.Erasing: (model.EraseUser,),
    ports.Backfills: (backfills.Backfill,),
    ports.UserMerges: (user_merges.MergeUsers,),
    ports.EventCounts: (),
}
"""The same of the ports beside the store's own: what goes beyond feeds and inboxes."""
WAITS = re.compile(r"\bsleep" + r"\(")  # in two parts, so that this file is not its own first finding


STATEMENT = re.compile(
    r"\s*(SELECT\b.*\b(FROM|EXISTS)\b|INSERT\b.*\bINTO\b|DELETE FROM\b|UPDATE\b.*\bSET\b|(CREATE|DROP|ALTER) \w+"
    r"|ON CONFLICT\b)",
    re.S,
)
"""How a statement, or the end of one, begins. Pragmas and transactions are commands of the connection."""

SAME_THINGS = """
Acted Action ActivityGroup ActivityGroupPage ActivityPage BackfillJob BlockedUser BlocksPage Condition DateRange
DeadLetter Decision DisplayName Endpoint Endpoints Event Explanation FeedGroup FeedGroupPage FeedItem FeedPage FeedReadFrame
FeedReadResult FieldError FollowedTopic Following FollowsPage Frame GroupWindow InboxChanges InboxPage
InboxUpdateResult MergeCounts MergeJob MutedTopic MutesPage NewCount NewEvent Notification Parts Person Preferences
PreviousRank QuietHours ReadAllResult ReadFrame Reason Receipt Receipts Reminder ReminderResult RemindersPage RetractedFrame
SeenFrame SeriesPoint Status Summary Thing Top TopItem TopSeries Unread UnsentDeliveriesPage UnsentDelivery
UpdateResult Updated
"""
"""What the client, the description of the API and the server each represent: one thing, and so one name."""


class Sized(NamedTuple):
    """Something with a length in lines."""

    name: str
    lines: int


def files() -> list[Sized]:
    """Every source file that is more than a package's docstring."""
    sized = [Sized(str(path.relative_to(ROOT)), len(path.read_text().splitlines())) for path in SOURCES]
    return [one for one in sized if one.lines > 1]


def functions(paths: list[Path]) -> Iterator[Sized]:
    """Every function and method, its docstring not counted: explaining is no fault."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Sized(f"{path.relative_to(ROOT)}:{node.name}", _length(node))


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    whole = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    documented = ast.get_docstring(node) is not None
    return whole - ((first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0)


def test_files_are_small() -> None:
    """No file has over 600 lines, tests included, and half of the sources have at most 180."""
    tests = [Sized(str(path.relative_to(ROOT)), len(path.read_text().splitlines())) for path in TESTS]
    assert [one for one in files() + tests if one.lines > MAX_FILE_LINES] == []
    assert statistics.median(one.lines for one in files()) <= MEDIAN_FILE_LINES


def test_functions_are_short() -> None:
    """No function has over 70 lines, tests included, and half of them in the sources have at most 8."""
    assert [one for one in functions(SOURCES + TESTS) if one.lines > MAX_FUNCTION_LINES] == []
    assert statistics.median(one.lines for one in functions(SOURCES)) <= MEDIAN_FUNCTION_LINES


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_do_not_wait_for_time(path: Path) -> None:
    """A test waits for an event, or turns the clock itself; it never guesses how long something takes."""
    found = [number for number, line in enumerate(path.read_text().splitlines(), 1) if WAITS.search(line)]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_stands_in_named_files(path: Path) -> None:
    """Another engine is then another folder of statements, and the statements of one area are read in one place."""
    assert statements_in(path.read_text()) == []


def test_a_statement_in_python_is_found() -> None:
    """In pieces, as an f-string and over several lines too; but not what a docstring says."""
    planted = """
def erase(db, table):
    '''DELETE FROM nothing.'''
    db.execute("SELECT 1 FROM meta")
    db.execute(f"DELETE FROM {table} WHERE user=?")
    query = (
        "INSERT INTO meta "
        "VALUES (?)"
    )
    return "DELETE", "SELECT", "UPDATE your settings", query
"""
    assert [line for line, _ in statements_in(planted)] == [4, 5, 7]


def statements_in(source: str) -> list[tuple[int, str]]:
    """The lines and texts of SQL statements among the strings of a module, docstrings aside."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]
    return sorted((line, text) for line, text in strings if STATEMENT.match(text))


def test_no_module_is_a_fragment() -> None:
    """Something short that one module uses is read where it is used, unless it is a term of the glossary."""
    found = fragments({_module(path): path.read_text() for path in SOURCES})
    assert [(module, user) for module, user in found if module not in glossary()] == []


def glossary() -> set[str]:
    """The modules that define a term: who looks for the term finds it by the name of its module."""
    linked = re.findall(r"\(\.\./(src/[\w/]+\.py)\)", (ROOT / "docs" / "glossary.md").read_text())
    return {_module(ROOT / path) for path in linked}


def test_a_fragment_is_found() -> None:
    """Not a short module that two use, one that is loaded late, nor one whose only user is large."""
    short, large = "def f(): ...", "\n" * MAX_JOINED_LINES
    user = "from tidings.http import gate\nfrom tidings.hosts import is_loopback\ndef late():\n    import tidings.sample"
    planted = {
        "tidings.hosts": short,
        "tidings.http.gate": short,
        "tidings.sample": short,
        "tidings.timer_wheel": short,
        "tidings.server": user,
        "tidings.http.app": "import tidings.hosts",
        "tidings.hub": "from tidings.timer_wheel import f" + large,
    }
    assert fragments(planted) == [("tidings.http.gate", "tidings.server")]


def fragments(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """The modules of under FRAGMENT_LINES that one other module alone imports at its head, and that one."""
    lengths = {module: len(text.splitlines()) for module, text in texts.items()}
    users = defaultdict(set)
    for module, text in texts.items():
        for used in _imported(text) & texts.keys():
            users[used].add(module)
    short = [module for module, lines in lengths.items() if lines < FRAGMENT_LINES]
    found = [(module, next(iter(users[module]))) for module in short if len(users[module]) == 1]
    return [(module, user) for module, user in found if lengths[module] + lengths[user] <= MAX_JOINED_LINES]


def _imported(text: str) -> set[str]:
    """What a module imports at its head: what an import in a function loads is apart for a reason."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)


def test_a_class_name_stands_for_one_thing() -> None:
    """Who reads a name need not look up which of two classes it is."""
    texts = {str(path.relative_to(ROOT / "src" / "tidings")): path.read_text() for path in SOURCES}
    assert ambiguous(texts) == []
    named = classes(texts)
    assert [name for name in SAME_THINGS.split() if len({layer(where) for where in named[name]}) < 2] == []


def test_a_second_class_of_a_name_is_found() -> None:
    """In a module of the same layer always; in another layer unless it is the same thing; private ones too."""
    planted = {
        "ports.py": "class Check: ...\nclass Receipt: ...",
        "storage/memory/store.py": "def make():\n    class Check: ...",
        "http/schemas.py": "class Receipt: ...\nclass Changed: ...\nclass _Rows: ...",
        "client/replies.py": "class Receipt: ...",
        "client/items.py": "class Changed: ...\nclass Receipt: ...\nclass _Rows: ...",
    }
    assert ambiguous(planted) == [
        ("Changed", ["http/schemas.py", "client/items.py"]),
        ("Check", ["ports.py", "storage/memory/store.py"]),
        ("Receipt", ["ports.py", "http/schemas.py", "client/replies.py", "client/items.py"]),
        ("_Rows", ["http/schemas.py", "client/items.py"]),
    ]


def ambiguous(texts: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The class names of modules that stand for two things, and the modules that define each."""
    return sorted((name, where) for name, where in classes(texts).items() if not _is_one_thing(name, where))


def _is_one_thing(name: str, where: Sequence[str]) -> bool:
    layers = {layer(path) for path in where}
    return len(layers) == len(where) and (len(layers) == 1 or name in SAME_THINGS.split())


def classes(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """The modules that define a class of each name, once for each definition."""
    found = defaultdict(list)
    for path, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path)
    return found


def layer(path: str) -> str:
    """Whose representation the classes of a module are: the client's, the API's, or the server's own."""
    return "client" if path.startswith("client/") else "api" if path.startswith("http/schemas") else "server"


def test_ports_are_narrow() -> None:
    """A port has at most 8 methods, and 10 with its commands; those of a store's own have 24, and 40, together."""
    assert too_wide({**PORTS, **CAPABILITIES}) == {}
    assert sum(len(_methods(port)) for port in PORTS) <= MAX_METHODS
    assert sum(len(_methods(port)) + len(changes) for port, changes in PORTS.items()) <= MAX_WIDTH


def test_a_wide_port_is_found() -> None:
    """By its methods, and by its commands: one method that takes any command would hide all of the work."""

    class Narrow(Protocol):
        async def write(self, command: object) -> None: ...

    methods = {f"method_{n}": lambda: None for n in range(MAX_PORT_METHODS + 1)}
    wide, full = type("Wide", (), methods), (model.Follow,) * (MAX_PORT_WIDTH - 1)
    assert too_wide({Narrow: full, wide: ()}) == {"Wide": (9, 9)}
    assert too_wide({Narrow: (*full, model.Unfollow)}) == {"Narrow": (1, 11)}


def too_wide(widths: Mapping[type[Any], Sequence[type[Any]]]) -> dict[str, tuple[int, int]]:
    """The ports with too many methods, or too many methods and commands, and both numbers of each."""
    found = {
        port.__name__: (len(_methods(port)), len(_methods(port)) + len(changes))
        for port, changes in widths.items()
    }
    return {
        name: (methods, width)
        for name, (methods, width) in found.items()
        if methods > MAX_PORT_METHODS or width > MAX_PORT_WIDTH
    }


def test_every_port_and_command_is_counted() -> None:
    """A new port or command of a store cannot escape the budget, and none is counted twice."""
    assert set(ports.Store.__bases__) <= {Protocol, *PORTS, *CAPABILITIES}
    counted = [change for changes in (*PORTS.values(), *CAPABILITIES.values()) for change in changes]
    assert sorted(counted, key=str) == sorted(get_args(model.Command), key=str)


def _methods(port: type[Any]) -> list[str]:
    return [
        name
        for name, value in vars(port).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    ]

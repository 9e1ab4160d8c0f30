"""Where users are reached outside: mail addresses, push subscriptions, URLs."""

from tidings.model import AddEndpoint, Changed, RemoveEndpoint
from tidings.personal import Endpoint
from tidings.storage.sqlite.reading import Reading
from tidings.storage.sqlite.writer import Writer, sql

CHANNELS = {"email": 1, "web_push": 2, "webhook": 3, "apprise": 4}
"""The numbers of channels in the file, never to be changed: three bits, see ``owe_deliveries``."""
_NAMES = {number: name for name, number in CHANNELS.items()}


def add(w: Writer, command: AddEndpoint) -> Changed:
    """Register an endpoint; the same address again keeps its id."""
    new = command.endpoint
    w.db.execute(
        "INSERT INTO endpoint (id, user, channel, address, secret, created_at, sent_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (user, channel, address)"
        " DO UPDATE SET secret=excluded.secret, created_at=excluded.created_at, sent_at=excluded.sent_at",
        (
            new.id,
            w.names.make_user(new.user),
            CHANNELS[new.channel],
            new.address,
            new.secret,
            new.created_at,
            new.sent_at,
        ),
    )
    w.reached = True
    return Changed(1, w.position)


def remove(w: Writer, command: RemoveEndpoint) -> Changed:
    """Forget an endpoint of a user and what waits for it."""
    query = "SELECT number FROM endpoint WHERE user=? AND id=?"
    row = w.db.one(query, (w.names.user(command.user), command.id))
    if row is not None:
        forget(w, row[0])
    return Changed(int(row is not None), w.position)


def forget(w: Writer, number: int) -> None:
    """Delete an endpoint with its deliveries, those set aside included."""
    w.db.execute("DELETE FROM delivery WHERE endpoint=?", (number,))
    w.db.execute("DELETE FROM endpoint WHERE number=?", (number,))


def of(r: Reading, user: str) -> list[Endpoint]:
    """The endpoints of a user, oldest first."""
    rows = r.db.all(
        "SELECT id, channel, address, secret, created_at, sent_at FROM endpoint WHERE user=?"
        " ORDER BY created_at, number",
        (r.names.user(user),),
    )
    return [made(user, *row) for row in rows]


def made(user: str, id: str, channel: int, *rest: str | int) -> Endpoint:
    """An endpoint from its columns."""
    return Endpoint(id, user, _NAMES[channel], *rest)  # type: ignore[arg-type]


def channel_name(number: int) -> str:
    """The channel with this number."""
    return _NAMES[number]


def owe_deliveries(w: Writer) -> None:
    """Owe what was just brought (``temp.brought``) to the endpoints on the channels of its type. Whether it is wanted
    there, and when, is asked when it is due."""
    types = w.db.all("SELECT DISTINCT type FROM temp.brought")
    packed = [
        number << 3 | CHANNELS[channel]
        for (number,) in types
        for channel in w.rules.rule(w.names.verb_text(number)).channels
    ]
    if packed:
        w.db.execute(sql("owe_deliveries"), {"packed": w.carray(packed), "now": w.clock.now()})

"""The JSON of responses about trends as types, like :mod:`tidings.http.schemas`."""

from msgspec import UNSET, UnsetType

from tidings.http.schemas import Count, Schema, Time


class PreviousRank(Schema):
    """The place of a key in the window directly before. A key that was not in it has a count of 0 and no rank (null)."""

    count: Count
    rank: int | None


class TopItem(Schema):
    """One of the most frequent keys. ``previous`` is there if the request has compare=previous."""

    key: str
    count: Count
    object_type: str | UnsetType = UNSET
    object_id: str | UnsetType = UNSET
    previous: PreviousRank | UnsetType = UNSET


class Top(Schema):
    """The most frequent keys of a window, most frequent first."""

    window: str
    by: str
    as_of: Time
    exact: bool
    error: float
    total: Count
    items: list[TopItem]


class SeriesPoint(Schema):
    """One of 60 equal parts of a window: it begins ``at`` a time, inclusive, and ends where the next begins."""

    at: Time
    count: Count


class TopSeries(Schema):
    """The events of a window over its time, oldest first, exact; of all events if the key is null."""

    window: str
    by: str
    key: str | None
    as_of: Time
    points: list[SeriesPoint]
    total: Count

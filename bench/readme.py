"""Writes the newest results into README.md, beside what others reached on the same kind of machine."""

from pathlib import Path
from typing import NamedTuple

import msgspec

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


class _Figure(NamedTuple):
    """A line of the table: the start of our row's name, what it is in words, and what others reach: a text, or the start
    of the name of a row of the same run."""

    row: str
    words: str
    others: str = ""
    peer: str = ""


FIGURES = (
    _Figure(
        "single POSTs, 10 targets",
        "events published singly, durable, 10 recipients each",
        "FastAPI, by hand: 1,080/s",
    ),
    _Figure("arrays of 100, 10 followers", "events published in arrays of 100, 10 feeds each", ""),
    _Figure("Higgs week", "feed entries written, a week of real activity", "Stream-Framework: 8,800/s"),
    _Figure(
        "feed pages, random users",
        "feed pages of 20 read",
        "Stream-Framework: 1,480/s; FastAPI, by hand: 1,090/s; django-activity-stream: 195/s",
    ),
    _Figure("feed pages, 1,000 busiest users", "the same, the 1,000 busiest users", ""),
    _Figure("unread counts", "unread counts read", ""),
    _Figure("polls without change", "polls without change", ""),
    _Figure("/v1/top under", "trends under 10,000 events/s, 99th percentile", ""),
    _Figure(
        "one event to 2,000 streams",
        "deliveries of one event to 2,000 streams",
        peer="nchan: one event to 2,000 streams",
    ),
    _Figure("one event to 10,000 streams", "the same to 10,000", peer="nchan: one event to 10,000 streams"),
    _Figure(
        "targeted to 10,000 streams",
        "messages to single streams of 10,000, nothing stored",
        peer="nchan: targeted to 10,000 streams",
    ),
    _Figure("notifications to 10,000 streams, single POSTs", "the same from single POSTs, durable", ""),
    _Figure(
        "request → stored → stream, 2,000 streams, 1,000/s: p99", "from request to stream, 99th percentile"
    ),
    _Figure("idle stream of 10,000: memory", "memory of an idle stream"),
)
"""Others' figures: measured on a machine of the same kind, each with its own database on a second core; rates
over HTTP but for the entries written, which Stream-Framework did in one process with Redis. Those of nchan, nginx's
module, which keeps nothing, are of the same run as ours."""


class _Row(msgspec.Struct):
    name: str
    value: float
    unit: str
    share: float | None


class _Hardware(msgspec.Struct):
    cpu: str
    cores: int


class Results(msgspec.Struct):
    """What is needed of a file of results."""

    date: str
    complete: bool
    hardware: _Hardware
    rows: list[_Row]


def rewrite(readme: Path, results: Path) -> None:
    """Replace what stands between the marks in ``readme`` by a table of the newest complete run in ``results``.

    Raises ValueError when there is none, a figure of it is above its ceiling, or the marks are not there.
    """
    newest = _newest(results)
    if wrong := [row.name for row in newest.rows if row.share is not None and row.share > 1]:
        raise ValueError(f"above their ceilings, so not to be believed: {', '.join(wrong)}")
    text = readme.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{readme} lacks the lines {BEGIN} and {END}")
    readme.write_text(f"{before}{BEGIN}\n{block(newest)}\n{END}{after}")


def _newest(results: Path) -> Results:
    """Quick runs and single scenarios are passed over: they say that it runs, not how fast."""
    for file in sorted(results.glob("*.json"), reverse=True):
        found = msgspec.json.decode(file.read_bytes(), type=Results)
        if found.complete:
            return found
    raise ValueError(f"no complete run in {results}: run the whole benchmark first")


def block(results: Results) -> str:
    """The table in Markdown, the machine below it."""
    lines = ["| | Tidings | share of the ceiling | others |", "|---|---|---|---|"]
    for figure in FIGURES:
        row = next((row for row in results.rows if row.name.startswith(figure.row)), None)
        if row is not None:
            others = figure.others or _peer(results.rows, figure.peer)
            lines.append(f"| {figure.words} | {_value(row)} | {_share(row)} | {others} |")
    where = f"{results.hardware.cpu}, {results.hardware.cores} cores, server on one of them"
    return "\n".join([*lines, "", f"{results.date[:10]}, {where}. `make bench` measures again."])


def _value(row: _Row) -> str:
    if row.unit.endswith("/s"):
        return f"**{row.value:,.0f}/s**"
    return f"**{row.value:.1f} {row.unit}**"


def _peer(rows: list[_Row], name: str) -> str:
    """What another product reached in the same run, if it was there."""
    row = next((row for row in rows if name and row.name.startswith(name)), None)
    return "" if row is None else f"{name.partition(':')[0]}: {row.value:,.0f}/s"


def _share(row: _Row) -> str:
    return "" if row.share is None else f"{row.share:.0%}"

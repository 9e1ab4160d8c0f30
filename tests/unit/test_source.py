"""Reading files of events: order, packing, shifting, pacing."""

import gzip
from pathlib import Path
from typing import Any

import click
import pytest

from tidings.cli.input_files import InputLines, ndjson, newest_ms, paced, shifted
from tidings.contrib.gharchive import Publication


def at(created_at: str) -> Publication:
    """A publication of which only the time matters."""
    return Publication({"created_at": created_at})


def test_lines_come_in_the_order_of_files_packed_or_not(tmp_path: Path) -> None:
    """Plain and gzip files are read one after the other, empty lines left out; the fraction ends at 1."""
    (tmp_path / "a").write_bytes(b"1\n\n2\n")
    (tmp_path / "b").write_bytes(gzip.compress(b"3\n4"))
    lines = InputLines((tmp_path / "a", tmp_path / "b"))
    assert [line.strip() for line in lines] == [b"1", b"2", b"3", b"4"]
    assert lines.fraction == 1.0


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    """A broken download gives the lines that can be read, then says which file it is."""
    path = tmp_path / "broken.gz"
    path.write_bytes(gzip.compress(b"1\n2\n")[:-8])
    with pytest.raises(click.ClickException, match=r"broken\.gz:2: .*ended before"):
        list(InputLines((path,)))


def test_every_line_has_its_place(tmp_path: Path) -> None:
    """The number counts all lines of its file, empty ones too; where a file is cut off, it is the last one that was read."""
    (tmp_path / "a").write_bytes(b"1\n\n2\n")
    (tmp_path / "b").write_bytes(gzip.compress(b"3\n4"))
    lines = InputLines((tmp_path / "a", tmp_path / "b"))
    places = [lines.place for _ in lines]
    assert places == [f"{tmp_path}/a:1", f"{tmp_path}/a:3", f"{tmp_path}/b:1", f"{tmp_path}/b:2"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_is_passed_over(tmp_path: Path, packed: bool) -> None:
    """What an editor on Windows puts before the first line is no part of it."""
    raw = b"\xef\xbb\xbf1\n2"
    (tmp_path / "a").write_bytes(gzip.compress(raw) if packed else raw)
    assert list(InputLines((tmp_path / "a",))) == [b"1\n", b"2"]


@pytest.mark.parametrize(
    "raw",
    [b"PK\x03\x04\x14\0\0\0", b"SQLite format 3\0", gzip.compress(b"a.tar\0\0"), "{}".encode("utf-16")],
    ids=["zip", "database", "tar", "utf-16"],
)
def test_a_file_that_is_not_text_is_refused_as_a_whole(tmp_path: Path, raw: bytes) -> None:
    """A zip, a database, a tar or UTF-16 is named once, not refused line by line."""
    path = tmp_path / "events"
    path.write_bytes(raw)
    with pytest.raises(
        click.ClickException, match="events: neither UTF-8 text nor such text compressed by gzip"
    ):
        list(InputLines((path,)))


def test_an_ndjson_line_is_an_object() -> None:
    """A body of POST /v1/events is taken as it is; anything that is no JSON object is refused."""
    assert ndjson(b'{"actor_id":"alice"}') == Publication({"actor_id": "alice"})
    for bad in (b"[]", b"{", b"1"):
        with pytest.raises(ValueError, match=r"."):
            ndjson(bad)


def test_the_newest_time_is_found_wherever_it_stands() -> None:
    """Lines are in no strict order, and bad ones or ones without a time do not count."""
    lines = [b'{"created_at":"2015-01-01T00:00:02Z"}', b"{", b"{}", b'{"created_at":"2015-01-01T00:00:01Z"}']
    assert newest_ms(lines, ndjson) == 1_420_070_402_000
    assert newest_ms([b"{}"], ndjson) is None


def test_a_shift_moves_the_time_alone() -> None:
    """A shifted event differs in created_at only, and one without a time not at all."""
    body: dict[str, Any] = {"verb": "push", "created_at": "2015-01-01T00:00:02Z"}
    assert shifted(Publication(body), 1_500).body == {
        "verb": "push",
        "created_at": "2015-01-01T00:00:03.500Z",
    }
    assert shifted(Publication({"verb": "push"}), 1_500).body == {"verb": "push"}


def test_pacing_keeps_the_original_intervals_divided_by_the_speed() -> None:
    """Each event comes when its time has come, late ones at once, and each wait is announced by None."""
    now = 100.0
    waited: list[float] = []

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds
        waited.append(seconds)

    first, late, second = at("2015-01-01T00:00:10Z"), at("2015-01-01T00:00:04Z"), at("2015-01-01T00:00:16Z")
    got = list(paced([first, late, Publication({}), second], 2.0, wait, lambda: now))
    assert got == [first, late, Publication({}), None, second]
    assert waited == [3.0]

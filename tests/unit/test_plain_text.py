"""Text that others wrote steers nothing where it is shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.plain_text import neutral

BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
MARKS = "\u200e\u200f\u061c"
anything = st.text(st.characters(), max_size=40)


def is_harmful(character: str) -> bool:
    """Whether it steers a terminal, ends a line, changes the direction of writing or is half of a character."""
    category, direction = unicodedata.category(character), unicodedata.bidirectional(character)
    return category in ("Cc", "Zl", "Zp", "Cs") or direction in BIDI or character in MARKS


@given(anything)
def test_nothing_harmful_is_left_and_nothing_else_is_lost(text: str) -> None:
    """Every other character stays, in its order; a second pass changes nothing."""
    shown = neutral(text)
    assert not any(map(is_harmful, shown))
    assert [c for c in shown if c != " "] == [c for c in text if c != " " and not is_harmful(c)]
    assert neutral(shown) == shown


@given(anything)
def test_lines_can_be_kept(text: str) -> None:
    """Where a text of several lines is shown as such."""
    assert neutral(text, keep_lines=True).count("\n") == text.count("\n")
    assert neutral(text, keep_lines=True).replace("\n", " ").replace("\t", " ") == neutral(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Alice\u202egnp.exe", "Alicegnp.exe"),
        ("\x1b[31mred\x1b]0;title\x07", " [31mred ]0;title "),
        ("\x9b2J", " 2J"),
        ("a\r\nb\u2028c", "a  b c"),
        ("👩‍👩‍👧 נועה می‌خواهم 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👩‍👩‍👧 נועה می‌خواهم 🏴󠁧󠁢󠁥󠁮󠁧󠁿"),
    ],
)
def test_what_is_seen(text: str, shown: str) -> None:
    """What joins glyphs stays: emoji and several scripts need it."""
    assert neutral(text) == shown

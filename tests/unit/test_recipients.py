"""A list of recipients is bounded in number and in bytes before it is decoded."""

import json

import pytest

from tests.wire.people import event
from tidings.config import Settings
from tidings.errors import InvalidFields
from tidings.events import RECIPIENT_BYTES, check_event_size

MOST = 1_000
SETTINGS = Settings(max_targets=MOST, max_event_bytes=1_024)
ESCAPED = r"\u0041"


def refusal(*names: str) -> str:
    """What is said of an event with these recipients, each as it is written between quotes."""
    listed = ", ".join(f'"{name}"' for name in names)
    raw = json.dumps(event())[:-1] + f', "target_user_ids": [{listed}]}}'
    try:
        check_event_size(raw.encode(), SETTINGS)
    except InvalidFields as refused:
        ((pointer, detail),) = refused.errors
        assert pointer == "/target_user_ids"
        return detail
    return ""


def test_escapes_cannot_make_a_list_long() -> None:
    """Ten thousand names in 3.6 MB of escapes took the event loop for 134 ms."""
    names = [ESCAPED * 60 + f"{i}" for i in range(MOST)]
    size = sum(map(len, names)) + 4 * MOST
    assert refusal(*names) == f"expected a list of up to {MOST * RECIPIENT_BYTES:,} bytes, got {size:,}"


def test_all_names_of_the_greatest_length_are_taken() -> None:
    assert refusal(*["x" * 128] * MOST) == ""


@pytest.mark.parametrize("name", ["a", r"\"", r"\\", r"\\\"", r"a\\\\", r"\u005c", "é"])
def test_names_are_counted_whatever_is_in_them(name: str) -> None:
    """Quotes and backslashes in them are no ends of names."""
    assert refusal(*[name] * MOST) == ""
    assert refusal(*[name] * (MOST + 1)) == "expected a list of up to 1,000 items, got more"

"""Text that others wrote, made safe to be shown: nothing in it can steer a terminal or turn round what stands beside it."""

import json
import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""All characters with Unicode's property Bidi_Control: embeddings, overrides, isolates and marks of direction."""
_CONTROL = "\x00-\x1f\x7f-\x9f\u2028\u2029"
"""Control characters (category Cc) and the two separators of lines and paragraphs."""
_SURROGATES = "\ud800-\udfff"
"""Halves of characters: nothing can encode them."""

_bidi = re.compile(f"[{_BIDI}]")
_control = re.compile(f"[{_CONTROL}{_SURROGATES}]")
_steering = re.compile(f"[{_CONTROL}{_SURROGATES}{_BIDI}]")
_control_but_lines = re.compile(f"(?![\n\t])[{_CONTROL}{_SURROGATES}]")


def neutral(text: str, *, keep_lines: bool = False) -> str:
    """The text with a blank for each control character and without those that change the direction of writing.

    What joins or selects glyphs stays, since emoji and several scripts need it. ``keep_lines`` leaves line feeds and tabs
    as they are, for where a text of several lines is shown as such.
    """
    if text.isprintable():  # the usual case, and quick: all of what is taken out is not printable
        return text
    return (_control_but_lines if keep_lines else _control).sub(" ", _bidi.sub("", text))


def escaped(text: str) -> str:
    r"""The text with JSON's escape (``\n``, ``\u0000``) for each character that :func:`neutral` would change, so that it can
    be found."""
    return text if text.isprintable() else _steering.sub(lambda found: json.dumps(found[0])[1:-1], text)

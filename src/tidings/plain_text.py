"""Text of other users, made safe to be shown: it can neither control a terminal nor reverse the text beside it."""

import json
import re
from unicodedata import category

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""All characters with Unicode's property Bidi_Control: embeddings, overrides, isolates and marks of direction."""
_CONTROL = "\x00-\x1f\x7f-\x9f\u2028\u2029"
"""Control characters (category Cc) and the two separators of lines and paragraphs."""
_SURROGATES = "\ud800-\udfff"
"""Halves of characters: no encoding has them."""

_INVISIBLE = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Me"))
"""Categories of blanks, of characters that only control others, and of marks, which need a character that carries them."""
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol that are drawn as blanks."""

_bidi = re.compile(f"[{_BIDI}]")
_control = re.compile(f"[{_CONTROL}{_SURROGATES}]")
_steering = re.compile(f"[{_CONTROL}{_SURROGATES}{_BIDI}]")
_control_but_lines = re.compile(f"(?![\n\t])[{_CONTROL}{_SURROGATES}]")


def neutral(text: str, *, keep_lines: bool = False) -> str:
    """The text with a blank for each control character and without those that change the direction of writing.

    Characters that join or select glyphs stay, since emoji and several scripts need them. ``keep_lines`` keeps line feeds
    and tabs, for text that is shown in several lines.
    """
    if text.isprintable():  # the usual case, and fast: no removed character is printable
        return text
    return (_control_but_lines if keep_lines else _control).sub(" ", _bidi.sub("", text))


def is_visible(text: str) -> bool:
    """Whether a character of the text is drawn by itself."""
    return any(category(one) not in _INVISIBLE and one not in _FILLERS for one in text)


def escaped(text: str) -> str:
    r"""The text with JSON's escape (``\n``, ``\u0000``) for each character that :func:`neutral` would change, so that it
    can be found."""
    return text if text.isprintable() else _steering.sub(lambda found: json.dumps(found[0])[1:-1], text)

"""I10: an erased person leaves no trace in any file."""

from collections.abc import Iterable
from pathlib import Path


def found(folder: Path, words: Iterable[str]) -> list[tuple[str, str]]:
    """Which of these words stand in the bytes of which files of a folder, as UTF-8: free pages and logs included."""
    files = [(file.name, file.read_bytes()) for file in sorted(folder.iterdir()) if file.is_file()]
    return [(name, word) for name, content in files for word in words if word.encode() in content]

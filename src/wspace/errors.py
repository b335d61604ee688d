"""The one error that a user's input can cause, and how messages quote what others wrote."""

from typing import Any

__all__ = ["WspaceError", "one_line", "reason", "shown"]

LONGEST_TEXT = 200
LONGEST_VALUE = 60


class WspaceError(ValueError):
    """Input that a user can get wrong: says what was wrong, the value, and what to do.

    The command line prints the message and exits 2; nothing else in wspace catches it.
    """


def one_line(text: str, *, longest: int = LONGEST_TEXT, stand_in: str = "?") -> str:
    """Text of a stranger, as a part of one line that a terminal can show.

    Args:
        text: such as a file's name.
        longest: characters of it that are shown; "..." stands for the rest.
        stand_in: shown for each character that cannot be printed, line breaks among them.
    """
    printable = "".join(c if c.isprintable() else stand_in for c in text[:longest])
    return printable if len(text) <= longest else f"{printable}..."


def shown(value: Any) -> str:
    """Any value as messages quote it: as Python writes it, on one line, never long."""
    if isinstance(value, int) and abs(value) >= 10**40:
        return "a huge number"
    text = repr(value[: LONGEST_VALUE + 1] if isinstance(value, str) else value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def reason(error: Exception) -> str:
    """What another library's error says, as a part of one line that a terminal can show.

    Such errors quote the file that caused them: line breaks and control characters become spaces.
    """
    text = str(error) or type(error).__name__
    printable = one_line(text, longest=len(text), stand_in=" ")
    return " ".join(printable.split())[:LONGEST_TEXT]

"""The one error that a user's input can cause, and how messages quote what others wrote."""

import shlex
from pathlib import Path
from typing import Any

__all__ = ["WspaceError", "WspaceWarning", "command_line", "one_line", "reason", "shown"]

LONGEST_TEXT = 200
LONGEST_VALUE = 60


class WspaceError(ValueError):
    """Input that a user can get wrong: says what was wrong, the value, and what to do.

    The command line prints the message and exits 2; nothing else in wspace catches it.
    """


class WspaceWarning(RuntimeWarning):
    """What a user should know although all goes on; the command line prints it as a line."""


def command_line(*words: object) -> str:
    """A command, or a part of one, as a shell takes it when it is pasted.

    >>> command_line("wspace", "train", "--resume", Path("my runs/00000-cats"))
    "wspace train --resume 'my runs/00000-cats'"

    Args:
        words: texts, numbers and paths; a `Path` that begins with a dash gets ``./`` before it, so
            that it is not taken for an option.
    """
    taken = [
        f"./{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word)
        for word in words
    ]
    return shlex.join(taken)


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

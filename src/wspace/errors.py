"""The one error that a user's input can cause, and how it quotes those of other software."""

__all__ = ["WspaceError", "reason"]

_LONGEST_REASON = 200


class WspaceError(ValueError):
    """Input that a user can get wrong: says what was wrong, the value, and what to do.

    The command line prints the message and exits 2; nothing else in wspace catches it.
    """


def reason(error: Exception) -> str:
    """What another library's error says, as a part of one line that a terminal can show.

    Such errors quote the file that caused them: line breaks and control characters become spaces.
    """
    text = str(error) or type(error).__name__
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:_LONGEST_REASON]

"""The one error that a user's input can cause."""

__all__ = ["WspaceError"]


class WspaceError(ValueError):
    """Input that a user can get wrong: says what was wrong, the value, and what to do.

    The command line prints the message and exits 2; nothing else in wspace catches it.
    """

"""``wspace serve`` that runs: the command in a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

__all__ = ["RunningServer"]

COMMAND = "from wspace.cli.main import main; main()"


class RunningServer:
    """The command, until it is ended.

    Attributes:
        line: that it has printed.
        port: of it.
    """

    def __init__(self, *words: object) -> None:
        """Start it, with a port of its own, and wait until it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "serve", *map(str, words), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.line = self._process.stdout.readline()
        found = re.search(r"http://\S+:(\d+)$", self.line)
        if found is None:
            self._process.kill()
            _, err = self._process.communicate()
            raise AssertionError(f"the server printed {self.line!r} and {err!r}")
        self.port = int(found[1])

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Tell it to end, and wait; its status, and what it said of errors."""
        self._process.send_signal(how)
        try:
            _, err = self._process.communicate(timeout=60)
        finally:
            self._process.kill()
        return self._process.returncode, err

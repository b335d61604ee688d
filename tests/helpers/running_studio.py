"""A studio that runs: the command in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COMMAND = "from wspace.cli.main import main; main()"


class RunningStudio:
    """``wspace studio`` without a browser, until it is ended.

    Attributes:
        address: that it has printed, with its token.
        port: of it.
    """

    def __init__(
        self, models: Sequence[str] = (), *, port: int = 0, cache: Path | None = None
    ) -> None:
        """Start it, and wait until it answers.

        Args:
            models: given to the command.
            port: to listen on; 0 for a free one.
            cache: folder for what is kept between runs; None: the user's own.
        """
        environment = os.environ | ({} if cache is None else {"WSPACE_CACHE": str(cache)})
        command = [sys.executable, "-c", COMMAND, "studio", *models, "--no-browser"]
        self._process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"http://\S+:(\d+)/\?token=\S+", line)
        if found is None:
            self.kill()
            raise AssertionError(f"the studio printed {line!r}")
        self.address, self.port = found[0], int(found[1])

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def kill(self) -> None:
        """End it at once, as a machine that goes off."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """End it as Ctrl-C does."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(how)
        self._process.wait(timeout=30)
        if self._process.stdout is not None:
            self._process.stdout.close()

"""Machines as network namespaces, joined by a bridge: bandwidth, delay and cuts as one likes.

Everything lies in namespaces of its own (network, mounts, processes) that the kernel takes away
when their first process ends, however that comes about; nothing of the machine around is touched.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

__all__ = ["Network", "Node", "inside", "rerun_inside"]

INSIDE = "WSPACE_SCALING_INSIDE"
NEEDED = ("unshare", "setpriv", "ip", "tc")


def inside() -> bool:
    """Whether this process already has namespaces of its own."""
    return os.environ.get(INSIDE) == "1"


def rerun_inside() -> NoReturn:
    """Run this script again in namespaces that end with it, and exit as it does."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        lacks = f"{', '.join(missing)} (util-linux, iproute2)" if missing else "root's rights"
        sys.exit(f"namespaces want {lacks}: install them, or run this as root.")
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    child = subprocess.Popen(
        # when this process is killed, so are they
        ["setpriv", "--pdeathsig", "KILL", *words, sys.executable, *sys.argv],
        env=os.environ | {INSIDE: "1"},
    )

    def end(number: int, _: FrameType | None) -> None:
        os.kill(child.pid, signal.SIGKILL)  # and the kernel kills all that it has started
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    sys.exit(child.wait())


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr.strip()}")


def _can(words: Sequence[str]) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Node:
    """A machine: a namespace with one interface, eth0."""

    number: int  # from 1 on

    @property
    def name(self) -> str:
        """Of the namespace."""
        return f"node{self.number}"

    @property
    def address(self) -> str:
        """Of eth0."""
        return f"10.77.0.{self.number}"

    def command(self, words: Sequence[str]) -> list[str]:
        """The same command, run there."""
        return ["ip", "netns", "exec", self.name, *words]


@dataclass
class Network:
    """So many machines at one switch, which is the namespace of this process."""

    count: int
    nodes: list[Node] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = [Node(number) for number in range(1, self.count + 1)]
        os.makedirs("/run/netns", exist_ok=True)
        _run("mount", "-t", "tmpfs", "none", "/run/netns")  # this process's own
        _run("ip", "link", "add", "switch", "type", "bridge")
        _run("ip", "link", "set", "switch", "up")
        for node in self.nodes:
            port = self._port(node)
            _run("ip", "netns", "add", node.name)
            _run(
                *("ip", "link", "add", port, "type", "veth"),
                *("peer", "name", "eth0", "netns", node.name),
            )
            _run("ip", "link", "set", port, "master", "switch", "up")
            _run(*node.command(["ip", "address", "add", f"{node.address}/24", "dev", "eth0"]))
            for device in ("lo", "eth0"):
                _run(*node.command(["ip", "link", "set", device, "up"]))

    def limit(self, bits: float | None, delay: float = 0.0) -> bool:
        """Let each machine send, and be sent, so many bits a second, with a delay of seconds.

        Returns:
            Whether the delay is there, too: some kernels know no netem, but limits alone (tbf).
        """
        delayed = True
        for node in self.nodes:
            sends, is_sent = node.command(["tc"]), ["tc"]
            for words, device in ((sends, "eth0"), (is_sent, self._port(node))):
                place = [*words, "qdisc", "replace", "dev", device, "root"]
                if bits is None:
                    _run(*place, "pfifo", "limit", "20000")
                    continue
                late = ["delay", f"{delay * 1e6:.0f}us"] if device == "eth0" else []
                rate = ["rate", f"{bits:.0f}bit"]
                if not _can([*place, "netem", "limit", "20000", *late, *rate]):
                    # a tenth of a millisecond may pass at once, and a few of the largest packets
                    burst = max(2**18, int(bits / 8 * 1e-4))
                    _run(*place, "tbf", *rate, "burst", str(burst), "limit", str(2**24))
                    delayed = delayed and not late
        return delayed

    def cut(self, node: Node) -> None:
        """Pull its plug at the switch."""
        _run("ip", "link", "set", self._port(node), "down")

    def mend(self, node: Node) -> None:
        """Put it back."""
        _run("ip", "link", "set", self._port(node), "up")

    @staticmethod
    def _port(node: Node) -> str:
        return f"port{node.number}"

"""Workers and torchrun's agent killed at random moments: python benchmarks/kills.py DATA.

Two processes train on DATA (a folder or zip of pictures of 8² to 32²) by a small network without a
pretrained one. A run that nobody disturbs gives the weights; of another, a worker or the agent gets
SIGKILL at a random moment, again and again: torchrun starts workers anew by itself
(--max-restarts), and a dead agent is started anew as a scheduler would, with the same --rdzv-id.
In the end both must have the same weights, bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import safetensors.torch

MANY = "1000"  # restarts that torchrun allows


def start(data: str, out: Path, kimg: float, port: int) -> subprocess.Popen[bytes]:
    """Torchrun with two workers; rank 0's messages in out.log."""
    settings = {
        "discriminator": "preset",
        "reconstruction.weight": 0,
        "reconstruction.share": 0,
        "matching.share": 0,
        "reconstruction.beside": "false",
        "batch_size": 8,
        "measure": "false",
        "report": "false",
        "compile": "off",
        "precision": "fp32",
        "checkpoint_kimg": 0.08,
    }
    chosen = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
        *("--max-restarts", MANY, "--rdzv-backend", "c10d", "--rdzv-id", out.name),
        *("--rdzv-endpoint", f"127.0.0.1:{port}", "-m", "wspace", "train", data),
        *("--preset", "compact", "--kimg", str(kimg), "--out", str(out), *chosen),
    ]
    with open(out.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def workers(agent: int) -> list[int]:
    """The agent's child processes."""
    try:
        text = Path(f"/proc/{agent}/task/{agent}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def alive(process: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def weights(out: Path) -> str:
    """A digest of the newest checkpoint's tensors of the last run in a folder."""
    run = sorted(out.iterdir())[-1]
    newest = sorted((run / "checkpoints").glob("kimg-*"))[-1]
    tensors = safetensors.torch.load_file(newest / "state.safetensors")
    digest = hashlib.sha256(newest.name.encode())
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--kimg", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=20.0, help="seconds to the next kill")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        straight, killed = Path(folder) / "straight", Path(folder) / "killed"
        began = time.monotonic()
        assert start(arguments.data, straight, arguments.kimg, 29611).wait() == 0
        seconds = time.monotonic() - began
        agent = start(arguments.data, killed, arguments.kimg, 29612)
        counts = {"worker": 0, "agent": 0}
        longest_left = 0.0
        while sum(counts.values()) < arguments.kills and agent.poll() is None:
            time.sleep(chance.uniform(0.0, arguments.longest))
            own = workers(agent.pid)
            if agent.poll() is not None or not own:
                continue
            if chance.random() < 0.7:
                os.kill(chance.choice(own), signal.SIGKILL)
                counts["worker"] += 1
                continue
            agent.kill()
            agent.wait()
            counts["agent"] += 1
            then = time.monotonic()
            while any(map(alive, own)) and time.monotonic() - then < 90:
                time.sleep(0.1)
            longest_left = max(longest_left, time.monotonic() - then)
            agent = start(arguments.data, killed, arguments.kimg, 29612)
        assert agent.wait() == 0, killed.with_suffix(".log").read_text()[-2000:]
        print(
            json.dumps(
                {
                    "kills": counts,
                    "same weights": weights(straight) == weights(killed),
                    "run folders": len(list(killed.iterdir())),
                    "seconds undisturbed": round(seconds, 1),
                    "longest that workers outlived their agent, s": round(longest_left, 1),
                }
            )
        )


if __name__ == "__main__":
    main()

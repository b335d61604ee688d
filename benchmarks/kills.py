"""Workers and torchrun's agent killed at random moments: python benchmarks/kills.py.

Two processes train tiny networks on noise of 8². A run that nobody disturbs gives the weights; of
others a worker or the agent gets SIGKILL, at random moments of a run's length, until it comes to
its end between two of them. Torchrun starts workers anew by itself (--max-restarts); a dead agent
is started anew as a scheduler would, by the same --rdzv-id, once its workers have ended; those
that have not within 20 s are killed, as schedulers do. Each run must have the undisturbed one's
weights and log, bit for bit, and lose no whole checkpoint. A run that has finished is left alone:
torchrun would begin another one.

Each kill and each end is a line of JSON; the last one counts them. No kill begins after --minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import torch

from scaling import write_noise
from wspace.formats.model_file import save
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    AdaINConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
)
from wspace.training.run.checkpoint import newest_checkpoint
from wspace.training.run.launch import LAUNCH_FILE

BATCH = 8  # four pictures for each of two workers
BETWEEN = 3  # steps between two checkpoints
VICTIMS = ("rank 0", "rank 1", "agent")
PATIENCE = 600.0  # seconds, for a run to end
FOLLOW = 20.0  # seconds, for workers to end after their agent
SETTINGS = {
    "discriminator": "preset",
    "batch_size": BATCH,
    "checkpoint_kimg": BETWEEN * BATCH / 1000,
    "measure": "false",
    "report": "false",
    "compile": "off",
    "precision": "fp32",
}
CLOCK = ("seconds", "images_per_second", "waiting_for_data")  # what differs from run to run


class Work(NamedTuple):
    """What is trained.

    Attributes:
        folder: of everything.
        data: pictures.
        start: the model that runs start from.
        steps: of a run.
    """

    folder: Path
    data: Path
    start: Path
    steps: int

    def launch(self, name: str, port: int) -> subprocess.Popen[bytes]:
        """Torchrun with two workers; what they say goes to NAME.log."""
        out = self.folder / name
        chosen = [word for item in SETTINGS.items() for word in ("--set", "{}={}".format(*item))]
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--max-restarts", "1000", "--rdzv-backend", "c10d", "--rdzv-id", name),
            *("--rdzv-endpoint", f"127.0.0.1:{port}", "-m", "wspace", "train", str(self.data)),
            *("--preset", "compact", "--from", str(self.start), "--out", str(out)),
            *("--kimg", str(self.steps * BATCH / 1000), *chosen),
        ]
        with open(self.log(name), "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def last(self, name: str) -> Path | None:
        """The last run folder of a launch that has its configuration."""
        return max(
            (path.parent for path in self.folder.glob(f"{name}/*/config.json")), default=None
        )

    def finished(self, name: str) -> bool:
        """Whether its last run has come to the end."""
        run = self.last(name)
        whole = f"kimg-{self.steps * BATCH / 1000:010.3f}"
        return (
            run is not None
            and (run / "checkpoints" / whole).exists()
            and not (run / LAUNCH_FILE).exists()
        )

    def checkpoint(self, name: str) -> str:
        """What its newest whole checkpoint is called; nothing where there is none."""
        run = self.last(name)
        newest = None if run is None else newest_checkpoint(run / "checkpoints")[0]
        return "" if newest is None else newest.name

    def differs(self, name: str, other: str) -> str:
        """What two finished launches' last runs do not have alike; nothing where all is."""
        runs = [self.last(one) for one in (name, other)]
        if None in runs:
            return "one never began"
        ours, theirs = (made(run) for run in runs if run is not None)
        return ", ".join(
            one for one in sorted(ours.keys() | theirs.keys()) if ours.get(one) != theirs.get(one)
        )


def made(run: Path) -> dict[str, Any]:
    """A run's models, its newest checkpoint's tensors, and its log without what the clock says."""
    newest, torn = newest_checkpoint(run / "checkpoints")
    found: dict[str, Any] = {path.name: path.read_bytes() for path in run.glob("*.safetensors")}
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    found["log"] = [{k: v for k, v in line.items() if k not in CLOCK} for line in lines]
    found["torn checkpoints"] = torn
    if newest is not None:
        found["checkpoint"] = newest.name
        found["its tensors"] = (newest / "state.safetensors").read_bytes()
    return found


def workers(agent: int) -> list[int]:
    """The agent's child processes, rank 0 first."""
    try:
        text = Path(f"/proc/{agent}/task/{agent}/children").read_text()
    except OSError:
        return []
    return sorted(map(int, text.split()))


def alive(process: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Killing:
    """Runs that are killed, one after the other.

    Args:
        work: what they train.
        seconds: how long one took that nobody disturbed; the last such one counts.
        seed: of the moments and of who is killed.
    """

    def __init__(self, work: Work, seconds: float, seed: int) -> None:
        self.work, self.seconds = work, seconds
        self.chance = random.Random(seed)
        self.count: Counter[str] = Counter({"kills": 0})
        self.longest_left = 0.0  # that workers outlived their agent
        self.longest_back = 0.0  # from a kill to the next whole checkpoint, or the end

    def run(self, name: str, kills: int, until: float) -> None:
        """Train to the end, through at most so many kills and none after ``until``."""
        port = 29700 + self.count["runs"]
        agent = self.work.launch(name, port)
        started = began = time.monotonic()
        struck, before = 0.0, ""
        wait = self.chance.uniform(0, self.seconds)
        while agent.poll() is None and time.monotonic() - began < PATIENCE:
            time.sleep(0.02)
            if struck and self.work.checkpoint(name) > before:
                self._is_back(struck)
                struck = 0.0
            own = workers(agent.pid)
            due = time.monotonic() - began > wait and len(own) == 2
            if not due or self.work.finished(name) or kills <= 0 or time.monotonic() > until:
                continue
            before = self.work.checkpoint(name)
            victim = self.chance.choice(VICTIMS)
            phase = self._phase(name)
            struck = began = time.monotonic()
            if victim == "agent":
                agent.kill()
                agent.wait()
                self._follow(own)
            else:
                os.kill(own[VICTIMS.index(victim)], signal.SIGKILL)
            kills -= 1
            self.count.update(("kills", f"of {victim}", phase))
            lost = self.work.checkpoint(name) < before
            self.count["lost a checkpoint"] += lost
            say(
                kill=self.count["kills"], run=name, of=victim, phase=phase, newest=before, lost=lost
            )
            wait = self.chance.uniform(0, self.seconds)
            if victim == "agent":
                began = time.monotonic()
                agent = self.work.launch(name, port)
        if struck:
            self._is_back(struck)
        elif began == started:  # others on this machine come and go
            self.seconds = time.monotonic() - started
        self.count["runs"] += 1
        self._end(name, agent)

    def _follow(self, own: list[int]) -> None:
        """Wait until the workers of a dead agent have ended, or end them."""
        began = time.monotonic()
        while any(map(alive, own)) and time.monotonic() - began < FOLLOW:
            time.sleep(0.05)
        for worker in filter(alive, own):
            self.count["workers that stayed"] += 1
            os.kill(worker, signal.SIGKILL)
        self.longest_left = max(self.longest_left, time.monotonic() - began)

    def _phase(self, name: str) -> str:
        run = self.work.last(name)
        if run is not None and any((run / "checkpoints").glob(".*")):
            return "while a checkpoint was written"
        return "before the first checkpoint" if not self.work.checkpoint(name) else "later"

    def _is_back(self, struck: float) -> None:
        self.longest_back = max(self.longest_back, time.monotonic() - struck)

    def _end(self, name: str, agent: subprocess.Popen[bytes]) -> None:
        """Whether it has come to the end, and to the same one."""
        if agent.poll() is None:
            agent.terminate()
            agent.wait()
            self.count["stood still"] += 1
            say(run=name, stood_still=self.work.log(name).read_text()[-3000:])
        elif agent.returncode != 0:
            self.count["failed"] += 1
            say(run=name, failed=self.work.log(name).read_text()[-3000:])
        else:
            differs = self.work.differs(name, "undisturbed")
            self.count["differ" if differs else "the same in the end"] += 1
            say(run=name, ended="same weights and log" if not differs else f"differs in {differs}")


def write_start(path: Path) -> Path:
    """Networks of a few thousand weights, for pictures of 8²."""
    torch.manual_seed(0)
    mapping = MappingConfig(num_layers=2)
    generator = GeneratorConfig(
        architecture="adain", resolution=8, z_dim=8, w_dim=8, mapping=mapping,
        synthesis=AdaINConfig(channels=(8, 8)),
    )  # fmt: skip
    critic = DiscriminatorConfig(architecture="adain", resolution=8, channels=(8, 8))
    save(build_generator(generator), path, discriminator=build_discriminator(critic))
    return path


def say(**facts: Any) -> None:
    print(json.dumps(facts, ensure_ascii=False), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--steps", type=int, default=24, help="of a run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="after which no kill begins")
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="wspace-kills-") as name:
        folder = Path(name)
        data = write_noise(folder / "noise.zip", side=8)
        work = Work(folder, data, write_start(folder / "start.safetensors"), arguments.steps)
        began = time.monotonic()
        status = work.launch("undisturbed", 29699).wait()
        assert status == 0, work.log("undisturbed").read_text()[-3000:]
        seconds = time.monotonic() - began
        say(undisturbed_seconds=round(seconds, 1), newest=work.checkpoint("undisturbed"))
        killing = Killing(work, seconds, arguments.seed)
        while killing.count["kills"] < arguments.kills and time.monotonic() < until:
            left = arguments.kills - killing.count["kills"]
            killing.run(f"run-{killing.count['runs']}", left, until)
        say(
            **killing.count,
            longest_seconds_that_workers_outlived_an_agent=round(killing.longest_left, 1),
            longest_seconds_to_the_next_checkpoint=round(killing.longest_back, 1),
        )


if __name__ == "__main__":
    main()

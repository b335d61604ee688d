"""examples/launch: each file trains on loopback, started as its own words say."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from ranks import ROOT, ended, free_port
from tiny_run import make_data, make_model, newest

LAUNCH = ROOT / "examples/launch"
STEPS, BATCH = 2, 8
MORE = (
    *("--preset", "compact", "--kimg", str(STEPS * BATCH / 1000), "--set", f"batch_size={BATCH}"),
    *("--set", "discriminator=preset", "--set", "measure=false", "--set", "report=false"),
    *("--set", "compile=off", "--set", "precision=fp32", "--set", "device=cpu"),
)
# What Slurm's own programs do with the words that the file gives them; both machines are this one.
SCONTROL = """#!/usr/bin/env bash
[[ "$*" == "show hostnames here-[1-2]" ]] && printf '127.0.0.1\\n127.0.0.2\\n'
"""
SRUN = """#!/usr/bin/env bash
[[ $1 == --kill-on-bad-exit=1 ]] || exit 64
shift
"$@" & first=$!
"$@" & second=$!
wait $first && wait $second
"""

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (Path(sys.executable).parent / "torchrun").exists(), reason="torchrun"),
]


@pytest.fixture
def more(tmp_path: Path) -> list[str]:
    """Options that make a run tiny, beside what a file says itself."""
    make_data(tmp_path / "pictures")
    start = make_model(tmp_path / "start.safetensors")
    return [*MORE, "--from", str(start)]


def start(folder: Path, command: Sequence[str], told: Mapping[str, str]) -> subprocess.Popen[str]:
    """A command with torchrun and wspace at hand, and programs of the folder before them."""
    path = [str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    given = {
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": str(ROOT / "src"),
        "DATA": "pictures",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | given | told,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_run(ran: list[tuple[int, str, str]], out: Path) -> None:
    """It has come to its end in two processes, in one run folder, and said so once."""
    assert [status for status, _, _ in ran] == [0] * len(ran), ran
    assert sum(said.count("finished at") for _, said, _ in ran) == 1, ran
    (run,) = out.iterdir()
    assert (run / "model.safetensors").exists()
    saved = newest(run)
    assert saved["machine"]["processes"] == 2
    assert saved["state"]["step"] == STEPS


def test_one_machine(tmp_path: Path, more: list[str]) -> None:
    told = {"PROCESSES": "2", "OUT": "made"}
    check_run(
        ended([start(tmp_path, [str(LAUNCH / "one_machine.sh"), *more], told)], 500),
        tmp_path / "made",
    )


def test_two_machines(tmp_path: Path, more: list[str]) -> None:
    told = {"FIRST": "127.0.0.1", "ADDRESS": "127.0.0.1", "PORT": str(free_port()),
            "PROCESSES": "1"}  # fmt: skip
    command = [str(LAUNCH / "two_machines.sh"), *more]
    check_run(ended([start(tmp_path, command, told) for _ in range(2)], 500), tmp_path / "runs")


def test_two_machines_want_to_know_where_they_meet(tmp_path: Path) -> None:
    ((status, _, err),) = ended([start(tmp_path, [str(LAUNCH / "two_machines.sh")], {})])
    assert status != 0
    assert "FIRST: the address of the machine that both meet at" in err


def test_slurm(tmp_path: Path, more: list[str]) -> None:
    try:
        socket.getaddrinfo(socket.getfqdn(), None)
    except OSError:
        pytest.skip("this machine's name leads nowhere")
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    told = {
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NODELIST": "here-[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "1",
        "PROCESSES": "1",
    }
    command = ["bash", str(LAUNCH / "slurm.sbatch"), *more]
    check_run(ended([start(tmp_path, command, told)], 500), tmp_path / "runs")


def test_a_pod_s_command(tmp_path: Path, more: list[str]) -> None:
    """In two pods of one process; what the operator tells torchrun stands in PET_ variables."""
    spec = yaml.safe_load((LAUNCH / "kubernetes.yaml").read_text())["spec"]
    pod = spec["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]
    (container,) = pod["containers"]
    places = {"/data/pictures.zip": str(tmp_path / "pictures"), "/runs": str(tmp_path / "runs")}
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/data", "/runs"} <= mounted
    assert set(places) <= set(container["args"])
    elastic = spec["elasticPolicy"]
    told = {one["name"]: one["value"] for one in container["env"]} | {
        "PET_RDZV_BACKEND": elastic["rdzvBackend"],
        "PET_RDZV_ENDPOINT": f"127.0.0.1:{free_port()}",
        "PET_RDZV_ID": elastic["rdzvId"],
        "PET_NNODES": f"{elastic['minReplicas']}:{elastic['maxReplicas']}",
        "PET_MAX_RESTARTS": str(elastic["maxRestarts"]),
        "PET_NPROC_PER_NODE": "1",
    }
    arguments = [places.get(word, word) for word in container["args"]]
    command = [*container["command"], *arguments, *more]
    check_run(ended([start(tmp_path, command, told) for _ in range(2)], 500), tmp_path / "runs")

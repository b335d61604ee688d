"""examples/launch: the files start what they say, and hold what those who read them expect."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

LAUNCH = Path(__file__).parents[1] / "examples/launch"
SHELL = ("one_machine.sh", "two_machines.sh", "slurm.sbatch")
# What kubeflow.org/v1 knows, of what the file says; a field that it does not know is dropped
# without a word.
KNOWN: dict[str, Any] = {
    "apiVersion": str,
    "kind": str,
    "metadata": {"name": str},
    "spec": {
        "nprocPerNode": str,
        "elasticPolicy": {
            "rdzvBackend": str,
            "rdzvId": str,
            "minReplicas": int,
            "maxReplicas": int,
            "maxRestarts": int,
        },
        "runPolicy": {"cleanPodPolicy": str},
        "pytorchReplicaSpecs": {"Worker": {"replicas": int, "restartPolicy": str, "template": {}}},
    },
}


def job() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((LAUNCH / "kubernetes.yaml").read_text())
    return loaded


def check_fields(value: Any, known: Any, path: str) -> None:
    if isinstance(known, type):
        assert type(value) is known, path
        return
    for name, inner in value.items() if known else ():
        assert name in known, f"{path}.{name}"
        check_fields(inner, known[name], f"{path}.{name}")


@pytest.mark.parametrize("name", SHELL)
def test_a_shell_reads_it_and_what_to_change_is_marked(name: str) -> None:
    done = subprocess.run(
        ["bash", "-n", LAUNCH / name], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (LAUNCH / name).read_text().count("CHANGE") >= 3


def test_the_page_lists_every_file() -> None:
    page = (LAUNCH / "README.md").read_text()
    files = {path.name for path in LAUNCH.iterdir()} - {"README.md", "Dockerfile.dockerignore"}
    assert files == set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE))


def test_the_job_has_the_fields_of_its_schema() -> None:
    loaded = job()
    assert (loaded["apiVersion"], loaded["kind"]) == ("kubeflow.org/v1", "PyTorchJob")
    check_fields(loaded, KNOWN, "job")
    spec = loaded["spec"]
    worker, policy = spec["pytorchReplicaSpecs"]["Worker"], spec["elasticPolicy"]
    assert policy["minReplicas"] <= worker["replicas"] <= policy["maxReplicas"]
    assert policy["rdzvId"] == loaded["metadata"]["name"]
    assert worker["restartPolicy"] in {"Always", "OnFailure", "Never", "ExitCode"}
    pod = worker["template"]["spec"]
    (container,) = pod["containers"]
    assert container["name"] == "pytorch"  # the operator looks for it
    assert int(spec["nprocPerNode"]) == container["resources"]["limits"]["nvidia.com/gpu"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_the_docker_file_copies_what_is_there_and_its_stages_exist() -> None:
    text = (LAUNCH / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE))
    assert {"cpu", "cuda", "serve"} <= stages
    assert set(re.findall(r"--target (\w+)", text)) <= stages
    assert set(re.findall(r"--from=(\w+)", text)) <= stages
    sent = {line[1:] for line in (LAUNCH / "Dockerfile.dockerignore").read_text().split("\n")
            if line.startswith("!")}  # fmt: skip
    for copied in re.findall(r"^COPY ((?!--)[^\n]+) \S+$", text, re.MULTILINE):
        for name in copied.split():
            assert (LAUNCH.parents[1] / name).exists()
            assert name in sent

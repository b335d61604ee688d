"""Tiny runs of every objective, by one process or several; also a script that ranks run."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import make_config, make_data, make_model
from torch import Tensor

from wspace.errors import WspaceError
from wspace.group import Group, joined
from wspace.training import loop
from wspace.training.config import TrainConfig
from wspace.training.context import StepResult
from wspace.training.session import Session

BATCH = 16  # four for each of four processes
# All stages of the default recipe, with its projected discriminator, at rates so low that rounding
# is not made larger from step to step, as Muon and Adam do: gradients are compared by what
# optimizers keep of them.
RECIPE: dict[str, Any] = {
    "discriminator": "projected",
    "reconstruction.weight": 1.0,
    "reconstruction.beside": True,
    "matching.compared": 32,
    "style_mixing_probability": 0.9,
    "r1_gamma": 0.1,
    "adversarial.learning_rate": 1e-5,
    "learning_rate_d": 1e-5,
    "reconstruction.learning_rate": 1e-6,
    "convolution_rate": 1e-5,
    "encoder_rate": 1e-5,
    "flow_rate": 1e-5,
    "weight_rate": 1e-5,
    "bias_rate": 1e-5,
}


def config_of(folder: Path, name: str, steps: int) -> TrainConfig:
    """A run of so many steps.

    Args:
        folder: where data and models lie, made where they are missing.
        name: "stages", "adversarial", or "classes".
        steps: in all; of "stages" at least 8.
    """
    if not (folder / "start.safetensors").exists():
        make_model(folder / "start.safetensors", learned=True)
    shared: dict[str, Any] = {
        "batch_size": BATCH,
        "total_kimg": steps * BATCH / 1000,
        "checkpoint_kimg": 2 * BATCH / 1000,
        "r1_interval": 2,
    }
    if name == "stages":
        part = steps // 4 * BATCH / 1000
        stages = {"reconstruction.kimg": part, "matching.kimg": part}
        return make_config(folder, **(shared | RECIPE | stages))
    if name == "adversarial":
        own: dict[str, Any] = {"augment": "ada", "augment_strength": 0.5, "augment_set": "bgcfnc"}
        path_length = {"path_length_weight": 2.0, "path_length_interval": 2, "r2_gamma": 0.5}
        return make_config(folder, **(shared | own | path_length))
    if not (folder / "classes").exists():
        make_data(folder / "classes")
        labels = ", ".join(f'["{i:02}.png", {i % 2}]' for i in range(10))
        (folder / "classes" / "dataset.json").write_text(f'{{"labels": [{labels}]}}')
        make_model(folder / "classes.safetensors", "demodulated", num_classes=2, learned=True)
    own = {
        "data": str(folder / "classes"),
        "start_from": str(folder / "classes.safetensors"),
        "labels": True,
        "generations": 2,
        "mix_batches": True,
        "loss": "relativistic",
        "path_length_weight": 2.0,
        "path_length_interval": 2,
    }
    return make_config(folder, **(shared | own))


def measured(result: StepResult) -> dict[str, float]:
    """All numbers of a step by name."""
    right = zip(("right on real", "right on generated"), result.right or (), strict=False)
    strength = zip(("strength", "overfitting"), result.augmented or (), strict=False)
    return result.losses | dict(right) | {k: v for k, v in strength if v is not None}


def losses_of(config: TrainConfig, out: Path) -> list[dict[str, float]]:
    """What each step of a run measures; it is rank 0 of a group that has a run folder."""
    found: list[dict[str, float]] = []

    def report(progress: loop.Progress) -> None:
        if progress.last is not None:
            found.append(measured(progress.last))

    loop.start(config, out, report)
    return found


def furthest(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> float:
    """The largest relative difference of two runs' losses; shares and strengths count whole."""
    assert [list(one) for one in ours] == [list(one) for one in theirs]
    return max(
        abs(one[name] - other[name]) / max(abs(other[name]), 1e-3)
        for one, other in zip(ours, theirs, strict=True)
        for name in one
    )


def furthest_tensor(
    ours: dict[str, Any], theirs: dict[str, Any], least: float = 1e-2
) -> tuple[float, str]:
    """The largest difference of two states' tensors, relative to their norms, and where.

    ``least``: root mean square, below which a tensor counts as this large. Of biases that start at
    0 a step of Adam is the thousandth part of it, and where a norm follows them, by rounding alone.
    """
    found = (0.0, "")
    for name, own in ours.items():
        other = theirs[name]
        if isinstance(own, dict):
            inner = 1e-5 if name == "optimizers" else least
            distance, where = furthest_tensor(own, other, inner)
            found = max(found, (distance, f"{name}.{where}"))
        elif isinstance(own, Tensor) and own.is_floating_point():
            scale = max(float(other.norm()), least * other.numel() ** 0.5)
            found = max(found, (float((own - other).norm()) / scale, name))
    return found


class Killed(BaseException):
    """Ends a run as a power cut does: nothing is saved on the way out."""


def killed_and_resumed(config: TrainConfig, out: Path, group: Group, at: int) -> None:
    """A run that ends without a word after ``at`` steps, is copied to ``out``-copy, and goes on."""
    left = at

    def report(progress: loop.Progress) -> None:
        nonlocal left
        left -= progress.last is not None
        if left == 0:
            raise Killed

    with contextlib.suppress(Killed):
        loop.start(config, out, report)
    (run,) = out.iterdir()
    if group.is_first:
        shutil.copytree(run, out.with_name(f"{out.name}-copy"))
    loop.resume(run)


def refusals(folder: Path, group: Group) -> dict[str, str]:
    """Messages of what a group must not do."""
    good = config_of(folder, "classes", 4)
    make_data(folder / "other", seed=1)
    tried = {
        "batch": good.replace(batch_size=8 * group.world_size - 4),
        "seed": good.replace(seed=group.rank),
        "data": good.replace(
            data=str(folder / ("data", "other")[group.rank % 2]), labels=False
        ).replace(start_from=str(folder / "start.safetensors")),
        "tensor": good.replace(compare_steps=2, total_kimg=6 * BATCH / 1000),
    }
    found = {"task": refusal_of_tasks(good, folder, group)}
    for name, config in tried.items():
        with pytest.MonkeyPatch.context() as patch:
            if name == "tensor" and group.rank == 1:
                patch.setattr(Session, "next_batch", with_a_slip(Session.next_batch))
            try:
                loop.start(config, folder / f"refused {name} {group.world_size}")
            except WspaceError as error:
                found[name] = str(error)
    return found


def refusal_of_tasks(config: TrainConfig, folder: Path, group: Group) -> str:
    """What is said where one begins a run and the others go on with another."""
    try:
        if group.is_first:
            loop.start(config, folder / "refused task")
        else:
            loop.resume(folder / "another run")
    except WspaceError as error:
        return str(error)
    return ""


def with_a_slip(next_batch: Callable[[Session], Any]) -> Callable[[Session], Any]:
    """A session whose generator is not what it should be from step 3 on."""

    def slipping(session: Session) -> Any:
        if session.state.step == 3:
            with torch.no_grad():
                next(session.state.generator_ema.synthesis.parameters()).flatten()[0] += 0.1
        return next_batch(session)

    return slipping


def main() -> None:
    """Run cases in this process's group: FOLDER STEPS NAME...; each rank prints JSON.

    "killed" is the case "stages" that is killed and goes on; "refused" what a group must not do.
    """
    torch.set_num_threads(1)
    folder, steps, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    found: dict[str, Any] = {}
    with joined() as group:
        out = folder / f"of {group.world_size}"
        for name in names:
            if name == "killed":
                config = config_of(folder, "stages", steps)
                killed_and_resumed(config, out / name, group, steps // 2 + 1)
            elif name == "refused":
                found[name] = refusals(folder, group)
            else:
                found[name] = losses_of(config_of(folder, name, steps), out / name)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

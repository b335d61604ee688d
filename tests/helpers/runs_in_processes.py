"""Tiny runs of every objective, by one process or several; also a script that ranks run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from tiny_run import make_config, make_data, make_model

from wspace.group import joined
from wspace.training import loop
from wspace.training.config import TrainConfig

BATCH = 16  # four for each of four processes
RECIPE: dict[str, Any] = {  # all stages of the default one, with its projected discriminator
    "discriminator": "projected",
    "reconstruction.weight": 1.0,
    "reconstruction.beside": True,
    "matching.compared": 32,
    "style_mixing_probability": 0.9,
    "r1_gamma": 0.1,
}


def config_of(folder: Path, name: str, steps: int) -> TrainConfig:
    """A run of so many steps.

    Args:
        folder: where data and models lie, made where they are missing.
        name: "stages", "adversarial", or "classes".
        steps: in all; of "stages" at least 8.
    """
    shared: dict[str, Any] = {
        "batch_size": BATCH,
        "total_kimg": steps * BATCH / 1000,
        "checkpoint_kimg": 1000.0,
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
        make_model(folder / "classes.safetensors", "demodulated", num_classes=2)
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


def losses_of(config: TrainConfig, out: Path) -> list[dict[str, float]]:
    """What each step of a run measures; it is rank 0 of a group that has a run folder."""
    found: list[dict[str, float]] = []

    def report(progress: loop.Progress) -> None:
        if progress.last is not None:
            right = zip(("right on real", "right on generated"), progress.last.right or ())
            augmented = progress.last.augmented or ()
            strength = {"augmented": augmented[0]} if augmented else {}
            found.append(progress.last.losses | dict(right) | strength)

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


def main() -> None:
    """Run cases in this process's group: FOLDER STEPS NAME...; rank 0 prints losses as JSON."""
    torch.set_num_threads(1)
    folder, steps, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    with joined() as group:
        out = folder / f"of {group.world_size}"
        found = {name: losses_of(config_of(folder, name, steps), out / name) for name in names}
        if group.is_first:
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

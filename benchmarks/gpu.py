"""Generation and training on a CUDA card, beside its measured matrix peak.

    python benchmarks/gpu.py [--json]

bf16, channels-last, compiled; generation with CUDA graphs. `--device cpu --side 16 --batch 4`
tries the script itself where there is no card.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import torch

from wspace.bench.generation import measure_generation
from wspace.bench.hardware import MATRIX_SIDE, describe_machine, measure_peaks
from wspace.bench.training import measure_training
from wspace.networks.build import build_generator
from wspace.networks.presets import preset
from wspace.rendering.synthesis_cache import RenderPath
from wspace.training.config import TrainConfig

GOALS = {"generation": 0.40, "training": 0.25}  # of the measured bf16 matrix peak, at 256²


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", default="stylegan2")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cpu":
        MATRIX_SIDE["cpu"] = 256
    peaks = measure_peaks("bf16", device, seconds=0.5)
    matrix = peaks[-1].gflops
    results: dict[str, Any] = {"machine": describe_machine(device), "peak_gflops": matrix}
    for name, gflops, speed in (
        ("generation", *_generation(arguments, device)),
        ("training", *_training(arguments)),
    ):
        results[name] = {
            "pictures_per_second": speed,
            "gflops": gflops,
            "share_of_peak": gflops / matrix,
            "goal": GOALS[name],
        }
    if arguments.json:
        print(json.dumps(results))
        return
    print(f"{results['machine']['device']}: {matrix / 1000:.1f} TFLOP/s, bf16 matrix product")
    for name in GOALS:
        row = results[name]
        print(
            f"{name} {arguments.side}², batch {arguments.batch}: "
            f"{row['pictures_per_second']:.1f} pictures/s, {row['gflops'] / 1000:.1f} TFLOP/s, "
            f"{row['share_of_peak']:.1%} of the peak (goal {row['goal']:.0%})"
        )


def _generation(arguments: argparse.Namespace, device: torch.device) -> tuple[float, float]:
    """10⁹ operations a second, and pictures a second, the way `render` draws."""
    config, _ = preset(arguments.preset, resolution=arguments.side)
    generator = build_generator(config).to(device).eval().requires_grad_(False)
    path: RenderPath = "folded" if arguments.no_compile else "compiled"
    speed = measure_generation(
        generator, "bf16", arguments.batch, seconds=arguments.seconds, path=path
    )
    return speed.gflops, speed.pictures_per_second


def _training(arguments: argparse.Namespace) -> tuple[float, float]:
    config = TrainConfig(
        preset=arguments.preset,
        discriminator="preset",
        batch_size=arguments.batch,
        precision="bf16",
        compile="off" if arguments.no_compile else "on",
        device=arguments.device,
    )
    networks = preset(arguments.preset, resolution=arguments.side)
    speed = measure_training(networks, config, seconds=arguments.seconds)
    return speed.gflops, speed.pictures_per_second


if __name__ == "__main__":
    main()

"""The README's table of training: python benchmarks/training.py [--bf16] [--json]."""

from __future__ import annotations

import argparse

from table import Row, convolution_shares, parse_arguments, show
from wspace.bench.training import measure_training
from wspace.networks.presets import preset
from wspace.training.config import TrainConfig

# preset, side, batch; NVIDIA's code; goal in bf16. Lazy R1 every 16 steps, path length every 4.
WORK = (
    ("compact", 32, 32, 31.0, 180.0),
    ("compact", 64, 32, 20.0, 100.0),
    ("stylegan2", 32, 16, 1.13, 10.0),
    ("stylegan2", 64, 16, 0.64, 6.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compile", action="store_true", help="compiled: takes minutes")
    parser.add_argument("--rows", type=int, default=len(WORK), help="only the first ones")
    parser.add_argument("--batch", type=int, help="real images a step, instead of the table's")
    arguments = parse_arguments(parser)
    precision = arguments.precision
    rows, shares_of_step = [], {}
    for name, side, batch, peer, goal in WORK[: arguments.rows]:
        config = TrainConfig(
            preset=name,
            discriminator="preset",
            batch_size=arguments.batch or batch,
            precision=precision,
            compile="on" if arguments.compile else "off",
            device="cpu",
        )
        shares = convolution_shares(precision)
        networks = preset(name, resolution=side)
        speed = measure_training(networks, config, seconds=arguments.seconds)
        work = f"{name} {side}², batch {config.batch_size}, {speed.path}"
        rows.append(
            Row.of(
                work,
                precision,
                speed,
                shares,
                peer=peer,
                goal=goal if precision == "bf16" else None,
            )
        )
        shares_of_step[work] = ", ".join(
            f"{section} {seconds / speed.step_seconds:.2f}"
            for section, seconds in speed.regularizer_seconds.items()
        )
    print(show(rows, as_json=arguments.json))
    if not arguments.json:
        for work, shares_of in shares_of_step.items():
            print(f"{work}: on a step of theirs, of a plain step's time: {shares_of}")


if __name__ == "__main__":
    main()

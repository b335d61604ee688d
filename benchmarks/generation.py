"""The README's table of generation: python benchmarks/generation.py [--bf16 --compile --json]."""

from __future__ import annotations

import argparse

from table import Row, convolution_shares, parse_arguments, show
from wspace.bench.generation import measure_generation
from wspace.networks.build import build_generator
from wspace.networks.presets import preset
from wspace.rendering.synthesis_cache import RenderPath

# preset, side, batch; NVIDIA's code; goals by precision
WORK = (
    ("stylegan2", 64, 8, 5.1, {"fp32": 15.0, "bf16": 80.0}),
    ("stylegan2", 256, 8, 1.9, {"fp32": 7.0, "bf16": 40.0}),
    ("stylegan2", 1024, 1, 0.45, {"bf16": 5.0}),
    ("compact", 64, 8, None, {}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most-side", type=int, default=1024, help="leave larger ones out")
    parser.add_argument("--compile", action="store_true", help="compiled: takes a minute")
    arguments = parse_arguments(parser)
    path: RenderPath = "compiled" if arguments.compile else "folded"
    precision = arguments.precision
    rows = []
    for name, side, batch, peer, goals in WORK:
        if side > arguments.most_side:
            continue
        generator = build_generator(preset(name, resolution=side)[0]).eval().requires_grad_(False)
        shares = convolution_shares(precision)
        speed = measure_generation(
            generator, precision, batch, seconds=arguments.seconds, path=path
        )
        work = f"{name} {side}², batch {batch}{', compiled' * arguments.compile}"
        rows.append(Row.of(work, precision, speed, shares, peer=peer, goal=goals.get(precision)))
    print(show(rows, as_json=arguments.json))


if __name__ == "__main__":
    main()

"""Makes pictures from random recipes over all features, and makes each of them again.

    python benchmarks/reproduce.py MODEL...         any models; compact random ones if none is given

Checks what docs/steering.md promises: with the same rendered_by a picture comes back to the last
bit; with other batch sizes and thread counts fp32 stays within 1 / 255, bf16 within its bounds.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

import wspace
from wspace.figures.sheet import Sheet
from wspace.networks.build import build_generator
from wspace.networks.config import AdaINConfig, GeneratorConfig
from wspace.networks.generator import Generator
from wspace.networks.presets import preset
from wspace.recipe.png import read_document
from wspace.recipe.recipe import SETTABLE_NOISE, NoiseSettings, Recipe, Source
from wspace.rendering.reproduce import compare, remake

BATCH_SIZES, THREADS = (1, 3, 8), (1, 2)


def random_recipe(generator: Generator, draw: random.Random, precision: str) -> Recipe:
    """Any mixture of features that the generator has."""
    n, dim = generator.num_ws, generator.w_dim

    def per_layer(value: Any) -> Any:
        return value() if draw.random() < 0.6 else tuple(value() for _ in range(n))

    def vector() -> tuple[float, ...]:
        return tuple(np.float32(draw.gauss(0, 1)).item() for _ in range(dim))

    def source() -> Source:
        centre = vector() if draw.random() < 0.2 else None
        if draw.random() < 0.2:
            return Source(w=vector(), centre=centre)
        class_index = draw.randrange(generator.num_classes) if generator.num_classes else None
        return Source(seed=draw.randrange(2**32), class_index=class_index, centre=centre)

    sources = tuple(source() for _ in range(draw.choice((1, 1, 2, 3, 5))))
    noise = NoiseSettings()
    if generator.const_noise:
        noise = NoiseSettings(
            mode=per_layer(lambda: draw.choice(SETTABLE_NOISE)),
            seed=per_layer(lambda: draw.randrange(2**32)),
            strength=per_layer(lambda: draw.choice((0.0, 1.0, 1.0, draw.uniform(0, 4)))),
        )
    return Recipe(
        sources=sources,
        layer_sources=(
            tuple(draw.randrange(len(sources)) for _ in range(n)) if len(sources) > 1 else None
        ),
        psi=per_layer(lambda: draw.choice((1.0, 0.7, 0.0, draw.uniform(-1, 1.5)))),
        cutoff=draw.choice((None, draw.randrange(n + 1))),
        noise=noise,
        precision=precision,  # type: ignore[arg-type]
    )


def reproduce_all(generator: Generator, recipes: list[Recipe]) -> Counter[int]:
    """Write the pictures and a sheet of them, read them, make them again: largest differences."""
    found: Counter[int] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        pictures = wspace.render(generator, recipes, batch_size=max(BATCH_SIZES))
        paths = pictures.save(folder)
        paths.append(pictures.grid().save(Path(folder) / "sheet.png"))
        for path in paths:
            document = read_document(path)
            made = remake(document, generator)
            assert made.rendered_by == document.rendered_by
            assert isinstance(made, Sheet) == (path.name == "sheet.png")
            found[compare(document, path, made).largest] += 1
    return found


def render_otherwise(generator: Generator, recipes: list[Recipe]) -> dict[str, Any]:
    """The worst of all pairs of batch sizes and thread counts."""
    renderings = {}
    for threads in THREADS:
        torch.set_num_threads(threads)
        for batch_size in BATCH_SIZES:
            pictures = wspace.render(generator, recipes, batch_size=batch_size, exact_batch=True)
            renderings[threads, batch_size] = pictures.pixels.astype(np.int16)
    torch.set_num_threads(THREADS[0])
    first = renderings[THREADS[0], BATCH_SIZES[0]]
    differences = [np.abs(other - first) for other in renderings.values()]
    per_picture = np.stack(differences).reshape(len(differences), len(recipes), -1)
    return {
        "largest": int(per_picture.max()),
        "largest_mean_of_a_picture": round(float(per_picture.mean(axis=2).max()), 5),
        "least_share_within_8": float((per_picture <= 8).mean(axis=2).min()),
        "values_that_differ": float((per_picture > 0).mean()),
    }


def random_model(name: str, config: GeneratorConfig) -> Generator:
    """An untrained generator whose noise and mean w are not zero."""
    torch.manual_seed(0)
    generator = build_generator(config).eval().requires_grad_(False)
    for parameter_name, parameter in generator.named_parameters():
        if parameter_name.endswith("noise_strength"):
            parameter.normal_(std=0.2)
    generator.w_avg.copy_(generator.mapping.w(torch.randn(1000, generator.z_dim)).mean(dim=0))
    generator.name = name
    return generator


def random_models(precision: str) -> list[Generator]:
    """Small ones for bf16, which a CPU without units for it takes its time for."""
    if precision == "fp32":
        return [
            random_model("random compact, 16", preset("compact", resolution=16)[0]),
            random_model("random stylegan2, 8", preset("stylegan2", resolution=8)[0]),
        ]
    narrow = AdaINConfig(channels=(8, 8, 8))
    config = GeneratorConfig(
        architecture="adain", resolution=16, z_dim=32, w_dim=32, synthesis=narrow
    )
    return [random_model("random narrow, 16", config)]


def main() -> None:
    """Print one JSON line a model and precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--recipes", type=int, default=200)
    parser.add_argument("--precision", choices=["fp32", "bf16"], action="append")
    arguments = parser.parse_args()
    loaded = [wspace.load(model) for model in arguments.models]
    for precision in arguments.precision or ["fp32", "bf16"]:
        for generator in loaded or random_models(precision):
            draw = random.Random(0)
            recipes = [random_recipe(generator, draw, precision) for _ in range(arguments.recipes)]
            same = reproduce_all(generator, recipes)
            report = {
                "model": generator.name,
                "precision": precision,
                "recipes": len(recipes),
                "bit_identical_again": same[0],
                "not_identical_again": sum(same.values()) - same[0],
                **render_otherwise(generator, recipes),
            }
            print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()

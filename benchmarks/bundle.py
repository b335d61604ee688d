"""Make a bundled model from a run: the averaged generator alone.

    python benchmarks/bundle.py RUN NAME --command TEXT --command TEXT [--quality MEASURED.json]
        [--data DATA]

The commands, from nothing to the run, go into the model's metadata, and the names of its classes,
where the run does not say them, come from DATA. MEASURED.json is what
`wspace measure RUN HELDOUT --json` printed. The model goes to src/wspace/models/NAME.safetensors,
the run's configuration and log to benchmarks/bundled/. Weights are stored in half precision, unless
that moves a value of 64 pictures by more than 2/255; then those of the synthesis network alone, or
none.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np

from wspace.data.dataset import Dataset
from wspace.formats.model_file import load, load_model_file, save
from wspace.recipe.recipe import sample_recipes
from wspace.rendering.render import render

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--quality", type=Path)
    parser.add_argument("--command", dest="commands", action="append", required=True)
    parser.add_argument("--data", type=Path, help="whose classes have names")
    arguments = parser.parse_args()

    model = load_model_file(arguments.run, discriminator=False)
    generator = model.generator
    if arguments.data is not None and generator.class_names is None:
        with Dataset.open(arguments.data) as data:
            generator.config = dataclasses.replace(generator.config, class_names=data.class_names)
    metadata = dict(model.metadata)
    if arguments.quality is not None:
        measured = json.loads(arguments.quality.read_text())
        measured |= {key: Path(measured[key]).name for key in ("model", "data")}  # no places
        metadata["quality"] = measured
    metadata["commands"] = arguments.commands
    target = ROOT / "src/wspace/models" / f"{arguments.name}.safetensors"
    seeds = sample_recipes(range(64), num_classes=generator.num_classes)
    exact = render(generator, seeds).pixels.astype(np.int16)
    # a mapping network of eight layers moves w further than halved convolutions move colours
    for dtype, part in ((torch.float16, ""), (torch.float16, "generator.synthesis"), (None, "")):
        save(generator, target, metadata=metadata, dtype=dtype, part=part)
        stored = render(load(target), seeds).pixels.astype(np.int16)
        worst = int(np.abs(exact - stored).max())
        size = target.stat().st_size / 1e6
        print(f"{target}: {size:.2f} MB, {dtype} {part}: at most {worst}/255 off")
        if worst <= 2:
            break
    bundled = ROOT / "benchmarks/bundled"
    bundled.mkdir(exist_ok=True)
    for name in ("config.json", "log.jsonl"):
        shutil.copyfile(arguments.run / name, bundled / f"{arguments.name}-{name}")


if __name__ == "__main__":
    main()

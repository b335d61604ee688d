"""The baseline of `quality.py`: a DCGAN, as its paper says.

    python benchmarks/dcgan.py DATA --minutes 5 --out FOLDER

Source: Radford et al. 2015, Sections 3 and 4: transposed and strided convolutions of 4x4, batch
normalisation in both networks but at the generator's output and the discriminator's input, ReLU
and leaky ReLU of 0.2, tanh, weights from N(0, 0.02), Adam of 2e-4 with beta1 of 0.5, z uniform.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.data.dataset import Dataset
from wspace.data.order import ShuffledOrder
from wspace.files import atomic_path, atomic_write_text
from wspace.images import from_uint8, to_uint8
from wspace.machine import keep_freed_memory

__all__ = ["Generator", "draw", "load", "train"]

CHANNELS = 64  # of the largest maps; twice as many each time that maps halve
Z_DIM = 100
BATCH = 64
LEARNING_RATE = 2e-4
BETAS = (0.5, 0.999)


def _widths(resolution: int) -> list[int]:
    """Channels of the maps from half of ``resolution`` down to 4²."""
    return [CHANNELS * 2**i for i in range(resolution.bit_length() - 3)]


class Generator(nn.Sequential):
    """z (N, 100) to images (N, image_channels, H, W)."""

    def __init__(self, resolution: int, image_channels: int) -> None:
        widths = _widths(resolution)[::-1]
        layers: list[nn.Module] = [nn.Unflatten(1, (Z_DIM, 1, 1))]
        layers += _normalised(nn.ConvTranspose2d(Z_DIM, widths[0], 4, bias=False), nn.ReLU())
        for before, after in itertools.pairwise(widths):
            up = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)
            layers += _normalised(up, nn.ReLU())
        layers += [nn.ConvTranspose2d(widths[-1], image_channels, 4, stride=2, padding=1)]
        super().__init__(*layers, nn.Tanh())
        self.resolution, self.image_channels = resolution, image_channels
        _start(self)


class Discriminator(nn.Sequential):
    """Images to logits (N,)."""

    def __init__(self, resolution: int, image_channels: int) -> None:
        widths = _widths(resolution)
        layers: list[nn.Module] = [
            nn.Conv2d(image_channels, widths[0], 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        ]
        for before, after in itertools.pairwise(widths):
            down = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False)
            layers += _normalised(down, nn.LeakyReLU(0.2))
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, 4), nn.Flatten(0))
        _start(self)


def _normalised(convolution: nn.Module, activation: nn.Module) -> list[nn.Module]:
    width = convolution.out_channels
    assert isinstance(width, int)
    return [convolution, nn.BatchNorm2d(width), activation]


@torch.no_grad()
def _start(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.weight.normal_(0, 0.02)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.normal_(1, 0.02)


def train(data: Dataset, folder: Path, *, minutes: float, seed: int) -> None:
    """Train for so long by the clock; writes model.safetensors and trained.json into ``folder``."""
    torch.manual_seed(seed)
    keep_freed_memory()
    pictures = data.images(range(len(data)))
    if torch.equal(pictures, pictures[:, :1].expand_as(pictures)):
        pictures = pictures[:, :1].contiguous()  # grey pictures are learned as such
    channels = pictures.shape[1]
    layout = torch.channels_last
    generator = Generator(data.resolution, channels).to(memory_format=layout)
    discriminator = Discriminator(data.resolution, channels).to(memory_format=layout)
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=BETAS)
        for network in (generator, discriminator)
    ]
    order = ShuffledOrder(len(data), seed)
    start, seen = time.monotonic(), 0
    while (seconds := time.monotonic() - start) < minutes * 60:
        real = from_uint8(pictures[order.next(BATCH)]).contiguous(memory_format=layout)
        losses = _step(generator, discriminator, optimizers, real)
        seen += BATCH
        if seen % (200 * BATCH) == 0:
            print(f"{seen / 1000:.1f} kimg  {seen / seconds:.0f} pictures/s  loss {losses}")
    facts = {"kimg": seen / 1000, "seconds": time.monotonic() - start}
    shape = {"resolution": str(data.resolution), "image_channels": str(channels)}
    with atomic_path(folder / "model.safetensors") as temporary:
        state = {name: value.contiguous() for name, value in generator.state_dict().items()}
        safetensors.torch.save_file(state, temporary, metadata=shape)
    atomic_write_text(folder / "trained.json", json.dumps(facts) + "\n")


def _step(
    generator: Generator,
    discriminator: Discriminator,
    optimizers: Sequence[torch.optim.Optimizer],
    real: Tensor,
) -> str:
    """One step of each network; what their losses were."""
    fake = generator(torch.rand(BATCH, Z_DIM) * 2 - 1)
    # Real and generated pictures in batches of their own: each is normalised by its own statistics.
    loss_d = (
        F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    )
    optimizers[1].zero_grad(set_to_none=True)
    loss_d.backward()
    optimizers[1].step()

    discriminator.requires_grad_(False)
    loss_g = F.softplus(-discriminator(fake)).mean()
    optimizers[0].zero_grad(set_to_none=True)
    loss_g.backward()
    optimizers[0].step()
    discriminator.requires_grad_(True)
    return f"G {loss_g.item():.2f} D {loss_d.item():.2f}"


def load(folder: Path) -> Generator:
    """The generator that `train` wrote."""
    path = folder / "model.safetensors"
    with safetensors.safe_open(path, "pt") as file:
        shape = {name: int(value) for name, value in file.metadata().items()}
    generator = Generator(**shape)
    generator.load_state_dict(safetensors.torch.load_file(path))
    return generator.requires_grad_(False)


@torch.inference_mode()
def draw(generator: Generator, seeds: Sequence[int]) -> Tensor:
    """Pictures of seeds, (N, image_channels, H, W), uint8."""
    return torch.cat(list(_batches(generator, seeds)))


def _batches(generator: Generator, seeds: Sequence[int]) -> Iterator[Tensor]:
    generator.eval()
    for start in range(0, len(seeds), BATCH):
        drawn = [
            np.random.RandomState(seed).uniform(-1, 1, Z_DIM)
            for seed in seeds[start : start + BATCH]
        ]
        images = generator(torch.from_numpy(np.stack(drawn)).float())
        yield to_uint8(images).permute(0, 3, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with Dataset.open(arguments.data) as data:
        train(data, arguments.out, minutes=arguments.minutes, seed=arguments.seed)


if __name__ == "__main__":
    main()

"""Two ways to average gradients over processes, by CPU time: torchrun ... benchmarks/gradients.py.

A discriminator learns from a loss and R1, then a generator from a loss and path lengths: first as
wspace does (both gradients are summed in each process, and averaged once), then wrapped in torch's
`DistributedDataParallel`, which averages while the last backward pass goes on. Each step sees the
same numbers, and what the two come to is compared.
"""

from __future__ import annotations

import argparse
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from wspace.group import Group, joined
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.presets import preset
from wspace.training.losses import discriminator_loss, generator_loss
from wspace.training.regularizers import path_lengths, r1_penalty

Z_DIM = 256  # of the compact preset


class Drawing(nn.Module):
    """A generator whose forward pass is all that training asks for, as DDP wants it."""

    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        ws = self.generator.mapping(z)
        return self.generator.synthesis(ws, noise="const"), ws


def unsent(network: nn.Module) -> AbstractContextManager[Any]:
    """Within it `DistributedDataParallel` adds gradients up and sends nothing."""
    wrapped = isinstance(network, nn.parallel.DistributedDataParallel)
    return network.no_sync() if wrapped else nullcontext()


def step(
    drawing: nn.Module,
    judge: nn.Module,
    random: torch.Generator,
    group: Group,
    batch: int,
    side: int,
) -> None:
    """Leave averaged gradients in both networks' parameters."""
    z = group.own(torch.randn(batch * group.world_size, Z_DIM, generator=random))
    shape = (batch * group.world_size, 3, side, side)
    real = group.own(torch.randn(shape, generator=random)).requires_grad_()
    direction = group.own(torch.randn(shape, generator=random))
    with torch.no_grad():
        fake, _ = drawing(z)
    with unsent(judge):  # of one network the gradients of two backward passes are added up
        discriminator_loss(judge(real.detach()), judge(fake)).mean().backward()
    r1_penalty(real, judge(real)).mean().backward()
    judge.requires_grad_(False)
    with unsent(drawing):
        fake, _ = drawing(z)
        generator_loss(judge(fake)).mean().backward()
    images, ws = drawing(z)
    path_lengths(images, ws, direction).square().mean().backward()
    judge.requires_grad_(True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4, help="images of each process")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--preset", default="compact")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with joined() as group:
        configs = preset(arguments.preset, resolution=arguments.side)
        torch.manual_seed(0)
        plain: tuple[nn.Module, nn.Module] = (
            Drawing(build_generator(configs[0])),
            build_discriminator(configs[1]),
        )
        found = {}
        for way in ("averaged once", "DistributedDataParallel"):
            networks = plain
            apart = way != "averaged once"
            if apart:
                networks = tuple(  # type: ignore[assignment]
                    nn.parallel.DistributedDataParallel(one, broadcast_buffers=False)
                    for one in plain
                )
            random = torch.Generator().manual_seed(0)
            learning = [p for one in plain for p in one.parameters()]
            wall, spent = time.perf_counter(), time.process_time()
            for number in range(arguments.steps + 1):
                if number == 1:  # the first one is slow
                    wall, spent = time.perf_counter(), time.process_time()
                for parameter in learning:
                    parameter.grad = None
                step(*networks, random, group, arguments.batch, arguments.side)
                if not apart:
                    group.average([p.grad for p in learning if p.grad is not None], "gradients")
            cpu = (time.process_time() - spent) / arguments.steps
            wall = (time.perf_counter() - wall) / arguments.steps
            found[way] = torch.cat([p.grad.flatten() for p in learning if p.grad is not None])
            if group.is_first:
                print(f"{way:24} {cpu:.3f} s of CPU, {wall:.3f} s a step", flush=True)
        one, other = found.values()
        if group.is_first:
            print(f"largest difference {float((one - other).norm() / one.norm()):.1e} of the norm")


if __name__ == "__main__":
    main()

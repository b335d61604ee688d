"""An encoder for a model that has none: it learns from pictures that the model draws itself.

Their w are known, which real pictures' are not; where real ones are given, too, it learns to draw
them again.

Source: Zhu et al. 2016 (Generative Visual Manipulation on the Natural Image Manifold), Section 3.1,
for an encoder of a generator that stays as it is.
"""

from __future__ import annotations

import functools
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.images import from_uint8, to_uint8
from wspace.inversion.invert import psnr
from wspace.inversion.judge import Judge, Seen
from wspace.networks.config import EncoderConfig
from wspace.networks.encoder import Encoder
from wspace.networks.generator import Generator
from wspace.plain import About, Choice, Range, check
from wspace.steering.directions import sample_w

__all__ = ["RealPictures", "Taught", "TeachingConfig", "real_pictures", "teach_encoder"]

KNOWN_W = 2**16  # of the model's own, that batches are drawn from
BETAS = (0.9, 0.99)
SMALL = EncoderConfig(max_width=64, hidden_dim=256)  # a megabyte in a file
W_WEIGHT = 0.1  # of the distance from a known w, beside the difference of pictures

HELD_OUT = 64  # real pictures that it never sees, and as many of the model's own
OWN_FROM = 2**31  # seeds of those


@dataclass(frozen=True, kw_only=True)
class TeachingConfig:
    """How an encoder is taught."""

    seconds: Annotated[float, Range(above=0), About("how long it learns", "seconds")] = 180.0
    batch_size: Annotated[int, Range(2, 1024), About("pictures a step")] = 32
    rate: Annotated[float, Range(above=0, high=1), About("Adam's; falls to 0")] = 0.002
    precision: Annotated[
        str, Choice("fp32", "bf16"), About("bf16 is faster where the machine has units for it")
    ] = "fp32"

    def __post_init__(self) -> None:
        check(self, "encoder: ")


@dataclass(frozen=True, kw_only=True)
class RealPictures:
    """Real pictures to learn from.

    Attributes:
        next: gives so many of them, (N, C, H, W), uint8.
        held_out: others, (N, C, H, W), uint8, to see how well it learned.
    """

    next: Callable[[int], Tensor]
    held_out: Tensor


@dataclass(frozen=True, kw_only=True)
class Taught:
    """An encoder that was taught.

    Attributes:
        encoder: in eval mode, without gradients.
        own_psnr: how near what it finds is to pictures of the model's own that it never saw, in
            dB, on average.
        real_psnr: the same of real pictures; None where it learned from none.
    """

    encoder: Encoder
    own_psnr: float
    real_psnr: float | None


def real_pictures(generator: Generator, data: Dataset, *, seed: int = 0) -> RealPictures:
    """The pictures of a dataset, in a random order, `HELD_OUT` of them apart.

    Raises:
        WspaceError: pictures of another size than the model's, or too few.
    """
    if data.size != generator.size or data.image_channels != generator.image_channels:
        raise WspaceError(
            f"{data.path} has pictures of {data.size}, this model draws {generator.size}: "
            "make them ready with `wspace data build`."
        )
    if len(data) < 2 * HELD_OUT:
        raise WspaceError(f"{data.path} has {len(data)} pictures: give at least {2 * HELD_OUT}.")
    order = np.random.RandomState(seed).permutation(len(data))
    apart, seen = order[:HELD_OUT], order[HELD_OUT:]
    turn = itertools.cycle(seen.tolist())
    return RealPictures(
        next=lambda count: data.images(list(itertools.islice(turn, count))),
        held_out=data.images(apart),
    )


def teach_encoder(
    generator: Generator,
    config: TeachingConfig = TeachingConfig(),
    *,
    own: EncoderConfig = SMALL,
    real: RealPictures | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Taught:
    """Teach an encoder where in W pictures lie.

    Args:
        generator: the model; it stays as it is.
        config: see `TeachingConfig`.
        own: how wide the encoder is.
        real: half of every batch are such.
        seed: of its weights, and of what it sees.
        progress: called with seconds gone and seconds in all.

    Raises:
        WspaceError: real pictures of another size.
    """
    device = generator.w_avg.device
    random = torch.Generator().manual_seed(seed)
    w = sample_w(generator, KNOWN_W if real is None else KNOWN_W // 2, seed=seed)
    spread = w.var(dim=0).mean()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(generator.config, own=own).to(device).train()
    with torch.no_grad():
        encoder.leave[1].bias += w.mean(dim=0)  # type: ignore[operator]
    judge = Judge(generator.image_channels, device)
    synthesis = generator.synthesis.eval().requires_grad_(False)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=config.rate, betas=BETAS)
    autocast = functools.partial(
        torch.autocast, device.type, torch.bfloat16, enabled=config.precision == "bf16"
    )
    known = config.batch_size if real is None else config.batch_size // 2
    started, gone = time.monotonic(), 0.0
    while gone < 1:
        optimizer.param_groups[0]["lr"] = config.rate * math.sin(math.pi / 2 * (1 - gone))
        taken = torch.randint(len(w), (known,), generator=random)
        true = w[taken.to(device)]
        with torch.no_grad(), autocast():
            images = synthesis(_spread(generator, true)).clamp(-1, 1)
        if real is not None:
            images = torch.cat([images, _checked(generator, real.next(config.batch_size - known))])
        with torch.enable_grad(), autocast():
            found = encoder(images)
            drawn = synthesis(_spread(generator, found))
            difference = Seen(judge, images).difference(drawn).mean()
            distance = (found[:known] - true).square().mean() / spread
            loss = difference + W_WEIGHT * distance
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        gone = (time.monotonic() - started) / config.seconds
        if progress is not None:
            progress(round(min(gone, 1) * config.seconds), round(config.seconds))
    encoder.eval().requires_grad_(False)
    unseen = _spread(generator, sample_w(generator, HELD_OUT, seed=OWN_FROM))
    with torch.no_grad():
        drawn = synthesis(unseen).clamp(-1, 1)
    real_psnr = None
    if real is not None:
        real_psnr = _nearness(generator, encoder, _checked(generator, real.held_out))
    return Taught(
        encoder=encoder, own_psnr=_nearness(generator, encoder, drawn), real_psnr=real_psnr
    )


@torch.no_grad()
def _nearness(generator: Generator, encoder: Encoder, images: Tensor) -> float:
    """The mean PSNR of images, (N, C, H, W), drawn again from where the encoder says they lie."""
    again = to_uint8(generator.synthesis(_spread(generator, encoder(images)))).cpu()
    pairs = zip(again, to_uint8(images).cpu(), strict=True)
    return sum(psnr(one, other) for one, other in pairs) / len(images)


def _spread(generator: Generator, w: Tensor) -> Tensor:
    return w[:, None].expand(-1, generator.num_ws, -1)


def _checked(generator: Generator, pixels: Tensor) -> Tensor:
    """Real pictures as images, on the generator's device."""
    shape = (generator.image_channels, *generator.size)
    if pixels.shape[1:] != shape:
        raise WspaceError(
            f"the real pictures are {tuple(pixels.shape[1:])}, this model draws {shape}: "
            "give such as it learned from."
        )
    return from_uint8(pixels.to(generator.w_avg.device))

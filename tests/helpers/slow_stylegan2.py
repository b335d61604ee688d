"""StyleGAN2 computed the long way: zeros inserted, a kernel of its own for each picture.

Written from the equations, by tensor names, sharing nothing with the package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


def filter_of(taps: Sequence[float] | None) -> Tensor:
    """(T, T), sum 1, as in a true convolution."""
    line = torch.tensor([1.0] if taps is None else list(taps), dtype=torch.float64)
    kernel = torch.outer(line, line)
    return kernel / kernel.sum()


def upfirdn(
    x: Tensor, f: Tensor, *, up: int, down: int, pads: Sequence[int], gain: float
) -> Tensor:
    """Insert zeros, pad (left, right, top, bottom) or crop, convolve truly, keep each down-th."""
    n, c, h, w = x.shape
    grid = x.new_zeros(n, c, h, up, w, up)
    grid[:, :, :, 0, :, 0] = x
    padded = F.pad(grid.reshape(n, c, h * up, w * up), tuple(pads))
    kernel = f.flip(0, 1).to(x.dtype).expand(c, 1, *f.shape)
    return F.conv2d(padded, kernel * gain, groups=c)[:, :, ::down, ::down]


def upsample(x: Tensor, f: Tensor, *, conv_pad: int = 0) -> Tensor:
    """Pads of an upsampling by two, and of the 3x3 convolution that may follow it."""
    before, after = (len(f) + 1) // 2 + conv_pad, (len(f) - 2) // 2 + conv_pad
    return upfirdn(x, f, up=2, down=1, pads=(before, after, before, after), gain=4)


def downsample(x: Tensor, f: Tensor, *, conv_pad: int = 0, down: int = 2) -> Tensor:
    """Pads of a downsampling by two, and of the 3x3 convolution that may follow it."""
    before, after = (len(f) - 1) // 2 + conv_pad, (len(f) - 2) // 2 + conv_pad
    return upfirdn(x, f, up=1, down=down, pads=(before, after, before, after), gain=1)


def activation(x: Tensor, name: str, *, gain: float = 1.0, clamp: float | None = None) -> Tensor:
    functions = {
        "linear": (lambda x: x, 1.0),
        "lrelu": (lambda x: torch.where(x > 0, x, 0.2 * x), math.sqrt(2)),
        "relu": (lambda x: x.clamp(min=0), math.sqrt(2)),
        "swish": (lambda x: x / (1 + (-x).exp()), math.sqrt(2)),
        "tanh": (torch.tanh, 1.0),
    }
    function, own = functions[name]
    x = function(x) * (own * gain)
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def affine(state: State, name: str, w: Tensor) -> Tensor:
    weight = state[f"{name}.affine.weight"]
    return w @ weight.T / math.sqrt(weight.shape[1]) + state[f"{name}.affine.bias"]


def layer(
    state: State,
    name: str,
    x: Tensor,
    w: Tensor,
    *,
    f: Tensor | None,
    act: str,
    clamp: float | None,
    gain: float = 1.0,
) -> Tensor:
    """A synthesis layer; ``f`` where it upsamples."""
    weight, styles = state[f"{name}.weight"], affine(state, name, w)
    pictures = []
    for image, style in zip(x, styles, strict=True):
        kernel = weight * style[None, :, None, None]
        kernel = kernel / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if f is None:
            pictures.append(F.conv2d(image[None], kernel, padding=1))
        else:
            pictures.append(F.conv2d(upsample(image[None], f, conv_pad=1), kernel.flip(2, 3)))
    x = torch.cat(pictures)
    if f"{name}.noise_const" in state:
        x = x + state[f"{name}.noise_const"] * state[f"{name}.noise_strength"]
    return activation(x + state[f"{name}.bias"][:, None, None], act, gain=gain, clamp=clamp)


def to_rgb(state: State, name: str, x: Tensor, w: Tensor, clamp: float | None) -> Tensor:
    weight = state[f"{name}.weight"]
    styles = affine(state, name, w) / math.sqrt(weight.shape[1])
    x = torch.einsum("nihw,oi,ni->nohw", x, weight[:, :, 0, 0], styles)
    return activation(x + state[f"{name}.bias"][:, None, None], "linear", clamp=clamp)


def synthesis(
    state: State,
    ws: Tensor,
    *,
    resolution: int,
    architecture: str,
    taps: Sequence[float] | None,
    act: str,
    clamp: float | None,
) -> Tensor:
    """ws to images, from a state dict without its ``synthesis.`` prefix."""
    f = filter_of(taps)
    x = state["b4.const"].expand(len(ws), -1, -1, -1)
    x = layer(state, "b4.conv1", x, ws[:, 0], f=None, act=act, clamp=clamp)
    image: Tensor | None = None
    if "b4.torgb.weight" in state:
        image = to_rgb(state, "b4.torgb", x, ws[:, 1], clamp)
    for k in range(3, resolution.bit_length()):
        name, before = f"b{2**k}", x
        x = layer(state, f"{name}.conv0", x, ws[:, 2 * k - 5], f=f, act=act, clamp=clamp)
        gain = math.sqrt(0.5) if architecture == "resnet" else 1.0
        x = layer(
            state, f"{name}.conv1", x, ws[:, 2 * k - 4], f=None, act=act, clamp=clamp, gain=gain
        )
        if architecture == "resnet":
            skip = state[f"{name}.skip.weight"] / math.sqrt(before.shape[1])
            x = x + upsample(F.conv2d(before, skip), f) * math.sqrt(0.5)
        if image is not None:
            image = upsample(image, f)
        if f"{name}.torgb.weight" in state:
            rgb = to_rgb(state, f"{name}.torgb", x, ws[:, 2 * k - 3], clamp)
            image = rgb if image is None else image + rgb
    assert image is not None
    return image


def conv(
    state: State,
    name: str,
    x: Tensor,
    *,
    f: Tensor | None = None,
    act: str = "lrelu",
    clamp: float | None = None,
    gain: float = 1.0,
) -> Tensor:
    """A discriminator's convolution; ``f`` where it downsamples."""
    weight = state[f"{name}.weight"]
    pad = weight.shape[2] // 2
    weight = weight / math.sqrt(weight[0].numel())
    if f is None:
        x = F.conv2d(x, weight, padding=pad)
    else:
        x = F.conv2d(downsample(x, f, conv_pad=pad, down=1), weight)[:, :, ::2, ::2]
    bias = state.get(f"{name}.bias")
    x = x if bias is None else x + bias[:, None, None]
    return activation(x, act, gain=gain, clamp=clamp)


def dense(state: State, name: str, x: Tensor, *, act: str, lr_multiplier: float = 1.0) -> Tensor:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    scale = lr_multiplier / math.sqrt(weight.shape[1])
    return activation(x @ weight.T * scale + bias * lr_multiplier, act)


def stddev(x: Tensor, group: int | None, channels: int) -> Tensor:
    if channels == 0:
        return x
    n, group = len(x), min(group or len(x), len(x))
    maps = x.new_zeros(n, channels, 4, 4)
    for i in range(n):
        members = x[i % (n // group) :: n // group]
        deviation = (members.var(dim=0, correction=0) + 1e-8).sqrt()
        for j, part in enumerate(deviation.chunk(channels)):
            maps[i, j] = part.mean()
    return torch.cat([x, maps], dim=1)


def discriminator(
    state: State,
    images: Tensor,
    c: Tensor | None,
    *,
    architecture: str,
    taps: Sequence[float] | None,
    act: str,
    clamp: float | None,
    group: int | None,
    stddev_channels: int,
) -> Tensor:
    """Images to logits (N,), from a state dict."""
    f, x, image = filter_of(taps), None, images
    for k in range(images.shape[2].bit_length() - 1, 2, -1):
        name = f"b{2**k}"
        if f"{name}.fromrgb.weight" in state:
            rgb = conv(state, f"{name}.fromrgb", image, act=act, clamp=clamp)
            x = rgb if x is None else x + rgb
        if architecture == "skip":
            image = downsample(image, f)
        assert x is not None
        y = conv(state, f"{name}.conv0", x, act=act, clamp=clamp)
        gain = math.sqrt(0.5) if architecture == "resnet" else 1.0
        y = conv(state, f"{name}.conv1", y, f=f, act=act, clamp=clamp, gain=gain)
        if architecture == "resnet":
            y = y + conv(state, f"{name}.skip", x, f=f, act="linear", gain=gain)
        x = y
    assert x is not None
    if architecture == "skip":
        x = x + conv(state, "b4.fromrgb", image, act=act)
    x = conv(state, "b4.conv", stddev(x, group, stddev_channels), act=act, clamp=clamp)
    x = dense(state, "b4.fc", x.flatten(start_dim=1), act=act)
    scores = dense(state, "b4.out", x, act="linear")
    if c is None:
        return scores[:, 0]
    y = dense(state, "mapping.embed", c, act="linear")
    y = y / (y.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    i = 0
    while f"mapping.fc{i}.weight" in state:
        y = dense(state, f"mapping.fc{i}", y, act="lrelu", lr_multiplier=0.01)
        i += 1
    return (scores * y).sum(dim=1) / math.sqrt(y.shape[1])

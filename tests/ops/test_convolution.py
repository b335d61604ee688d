"""A convolution of ours is torch's, to any order of gradients, without its slow ways."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    AdaINConfig,
    DemodulatedConfig,
    DiscriminatorConfig,
    GeneratorConfig,
)
from wspace.ops import choose
from wspace.ops.convolution import convolve
from wspace.ops.resample import fir, fir_kernel

SHAPES: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((4, 6, 1, 1), {}),
    ((4, 6, 3, 3), {"padding": 1}),
    ((4, 6, 4, 4), {"padding": 1, "stride": 2}),
    ((4, 6, 3, 3), {"stride": (2, 1), "padding": (0, 2)}),
    ((6, 1, 4, 4), {"padding": 2, "stride": 2, "groups": 6}),
    ((4, 3, 2, 2), {"padding": 1, "groups": 2}),
    ((6, 1, 4, 4), {"groups": 6}),
    ((6, 1, 4, 3), {"padding": (1, 2), "groups": 6}),
    ((6, 1, 2, 2), {"padding": 2, "groups": 6}),
)


class CountedConvolutions(TorchDispatchMode):
    """Counts convolutions of one image with one channel group: the slow way of torch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.calls[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def _gradients_of_both_orders(
    conv: Any, shape: tuple[int, ...], sides: dict[str, Any], *, bias: bool
) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    x, weight, offset = (
        torch.randn(*size, generator=random, dtype=torch.float64, requires_grad=True)
        for size in ((2, 6, 9, 8), shape, (shape[0],))
    )
    y = conv(x, weight, offset if bias else None, **sides)
    inputs = (x, weight, offset) if bias else (x, weight)
    first = torch.autograd.grad(y.pow(3).sum(), inputs, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), inputs)
    return [y, *first, *second]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("shape", "sides"), SHAPES)
def test_gradients_of_both_orders_are_torchs(
    shape: tuple[int, ...], sides: dict[str, Any], bias: bool
) -> None:
    mine = _gradients_of_both_orders(convolve, shape, sides, bias=bias)
    plain = _gradients_of_both_orders(F.conv2d, shape, sides, bias=bias)
    for a, b in zip(mine, plain, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("shape", "sides"), SHAPES)
def test_under_autocast_it_rounds_as_torch_does(
    shape: tuple[int, ...], sides: dict[str, Any]
) -> None:
    x, weight = torch.randn(2, 6, 9, 8), torch.randn(shape)
    exact = F.conv2d(x, weight, **sides)
    with torch.autocast("cpu", torch.bfloat16):
        x, weight = x.requires_grad_(), weight.requires_grad_()
        y = convolve(x, weight, **sides)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), exact, rtol=0.02, atol=0.1)
    y.float().square().sum().backward()
    assert x.grad is not None
    assert weight.grad is not None
    assert x.grad.dtype == weight.grad.dtype == torch.float32
    twin, kernel = x.detach().requires_grad_(), weight.detach().requires_grad_()
    F.conv2d(twin, kernel, **sides).square().sum().backward()
    assert twin.grad is not None
    assert kernel.grad is not None
    assert F.cosine_similarity(x.grad.flatten(), twin.grad.flatten(), dim=0) > 0.999
    assert F.cosine_similarity(weight.grad.flatten(), kernel.grad.flatten(), dim=0) > 0.999


def test_gradients_of_gradients_of_a_filter_do_not_take_channels_one_by_one() -> None:
    x = torch.randn(2, 32, 8, 8, requires_grad=True)
    kernel = fir_kernel([1.0, 3.0, 3.0, 1.0])
    with CountedConvolutions() as counted:
        y = fir(x, kernel, (1, 1), stride=2).pow(3)
        (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        first.square().sum().backward()
    assert counted.calls["convolution"] <= 3
    assert counted.calls["convolution_backward"] <= 3


def test_a_strided_grouped_convolution_of_bfloat16_is_worked_out_in_float32() -> None:
    x = torch.randn(2, 8, 8, 8).bfloat16().requires_grad_()
    weight = torch.randn(8, 1, 4, 4).bfloat16()
    y = convolve(x, weight, stride=2, padding=1, groups=8)
    exact = F.conv2d(x.detach().float(), weight.float(), None, 2, 1, 1, 8)
    assert torch.equal(y, exact.bfloat16())
    assert y.dtype == torch.bfloat16
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's own, while it traces
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("architecture", ["adain", "demodulated"])
def test_a_compiler_can_take_whole_networks_with_their_gradients(
    architecture: Any, half: bool
) -> None:
    """Traced, convolutions and norms are torch's own, which the compiler differentiates."""
    torch.manual_seed(0)
    kind: Any = AdaINConfig if architecture == "adain" else DemodulatedConfig
    config = GeneratorConfig(
        architecture=architecture, resolution=8, z_dim=8, w_dim=8, synthesis=kind(channels=(8, 4))
    )
    generator = build_generator(config).to(memory_format=torch.channels_last)
    judge = build_discriminator(
        DiscriminatorConfig(architecture=architecture, resolution=8, channels=(8, 4))
    ).to(memory_format=torch.channels_last)
    learning = [*generator.synthesis.parameters(), *judge.parameters()]
    ws = torch.randn(4, generator.num_ws, 8)
    gradients = []
    for compiled in (False, True):
        parts: list[Any] = [generator.synthesis, judge]
        if compiled:
            parts = [torch.compile(part, backend="aot_eager", dynamic=False) for part in parts]
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = parts[1](parts[0](ws)).mean()
        found = torch.autograd.grad(loss, learning, allow_unused=True)
        gradients.append([g for g in found if g is not None])
    plain, mine = (torch.cat([g.flatten() for g in some]) for some in gradients)
    assert bool(mine.isfinite().all())
    assert float((mine - plain).norm() / plain.norm()) < (0.2 if half else 1e-4)


@pytest.mark.parametrize("adds", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("groups", [1, 4])
def test_maps_are_added_onto_others_in_place(
    groups: int, dtype: torch.dtype, adds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not adds:
        monkeypatch.setattr(choose, "_onednn_adds", lambda: False)
    channels_last = torch.channels_last
    x = torch.randn(1, 4, 6, 5).to(dtype, memory_format=channels_last)
    weight = torch.randn(8, 4 // groups, 3, 3).to(dtype, memory_format=channels_last)
    bias = torch.randn(8)
    several = torch.randn(3, 8, 6, 5).to(dtype, memory_format=channels_last)
    before = several.clone()
    onto = several[1:2]
    expected = before[1:2].double() + F.conv2d(
        x.double(), weight.double(), bias.to(dtype).double(), padding=1, groups=groups
    )
    with torch.inference_mode():
        found = convolve(x, weight, bias, padding=1, groups=groups, onto=onto)
    assert found.data_ptr() == onto.data_ptr()
    close = 5e-2 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(several[1:2].double(), expected, rtol=close, atol=close)
    assert torch.equal(several[0::2], before[0::2])

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from wspace.ops import choose
from wspace.ops.frozen import FrozenConvolution

POINTWISE = {"in_channels": 6, "out_channels": 8, "kernel_size": 1}
DEPTHWISE = {"in_channels": 6, "out_channels": 6, "kernel_size": 3, "groups": 6, "padding": 1}
HALVING = {"in_channels": 6, "out_channels": 4, "kernel_size": 4, "stride": 2, "groups": 2}


class CountedCalls(TorchDispatchMode):
    """Counts what torch computes by its operators' names."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.calls[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def gradient_of_gradient(f: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, ...]:
    """Outputs, the gradient by x of their cubes, and that of its squares."""
    x = x.clone().requires_grad_()
    y = f(x)
    (first,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    return y.detach(), first.detach(), second


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [POINTWISE, DEPTHWISE, HALVING])
def test_gradients_of_both_orders_are_those_of_the_convolution(
    shape: dict[str, int], bias: bool, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(**shape, bias=bias, dtype=torch.float64)
    x = torch.randn(2, 6, 9, 7, dtype=torch.float64).contiguous(memory_format=layout)
    expected = gradient_of_gradient(plain, x)
    for a, b in zip(gradient_of_gradient(FrozenConvolution(plain), x), expected, strict=True):
        torch.testing.assert_close(a, b)


def test_under_autocast_gradients_of_both_orders_stay_close() -> None:
    torch.manual_seed(0)
    frozen = FrozenConvolution(nn.Conv2d(**DEPTHWISE))

    def rounded(x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            y: Tensor = frozen(x)
        assert y.dtype == torch.bfloat16
        return y

    x = torch.randn(2, 6, 8, 8)
    expected = gradient_of_gradient(frozen, x)
    for a, b in zip(gradient_of_gradient(rounded, x), expected, strict=True):
        assert float((a - b).abs().mean() / b.abs().mean()) < 0.05
    assert expected[2].dtype == torch.float32


def test_nothing_of_it_learns_or_is_saved() -> None:
    frozen = FrozenConvolution(nn.Conv2d(**POINTWISE))
    assert not list(frozen.parameters())
    assert not frozen.state_dict()


def test_gradients_of_gradients_do_not_take_channels_one_by_one() -> None:
    plain = nn.Conv2d(32, 32, 3, groups=32, padding=1)
    x = torch.randn(1, 32, 8, 8)
    with CountedCalls() as counted:
        gradient_of_gradient(FrozenConvolution(plain), x)
    # There, back, and for the gradient of the gradient both ways once more; back is a convolution
    # with the kernel mirrored.
    assert counted.calls["convolution"] == 4
    assert counted.calls["convolution_backward"] == 0


@pytest.mark.parametrize("shape", [POINTWISE, DEPTHWISE, HALVING])
def test_what_follows_a_convolution_is_the_same_within_it(shape: dict[str, int]) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(**shape)
    x = 9 * torch.randn(2, 6, 9, 7).contiguous(memory_format=torch.channels_last)
    frozen = FrozenConvolution(plain)
    finishes = choose.finishes_while_convolving(x)
    expected = plain(x).detach()
    beside = torch.randn_like(expected)
    assert float(expected.max()) > 6
    assert float(expected.min()) < 0
    for follows, y in (
        ({}, expected),
        ({"clip": True}, expected.clamp(0, 6)),
        ({"beside": beside}, expected + beside),
    ):
        with CountedCalls() as counted, torch.no_grad():
            found = frozen(x, **follows)
        torch.testing.assert_close(found, y, rtol=1e-5, atol=1e-6)
        if finishes:
            assert set(counted.calls) == {"_convolution_pointwise"}  # no pass of its own
        with_gradient = frozen(x.clone().requires_grad_(), **follows)
        torch.testing.assert_close(with_gradient.detach(), y, rtol=1e-5, atol=1e-6)
        assert with_gradient.requires_grad

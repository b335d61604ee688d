"""Questions about devices, types, compilers and CPU units are asked in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import wspace
from wspace.ops import choose

SOURCE = Path(wspace.__file__).parent
ASKS = re.compile(
    r"is_compiling|is_autocast_enabled|get_autocast_dtype|torch\.autocast\(|\.type [!=]= "
    r"|\.is_cuda|torch\.cuda\.|torch\.cpu\.|[!=]= torch\.(bfloat16|float16|half)\b"
)


@pytest.mark.parametrize("folder", ["ops", "networks"])
def test_operators_and_networks_ask_nothing_of_that_themselves(folder: str) -> None:
    asking = [
        f"{path.relative_to(SOURCE)}: {line.strip()}"
        for path in sorted((SOURCE / folder).rglob("*.py"))
        if path.name != "choose.py"
        for line in path.read_text().splitlines()
        if ASKS.search(line)
    ]
    assert asking == []


def test_every_question_has_somebody_who_asks_it() -> None:
    texts = [
        path.read_text() for path in SOURCE.rglob("*.py") if path != Path(choose.__file__).resolve()
    ]
    unasked = [
        name for name in choose.__all__ if not any(re.search(rf"\b{name}\b", t) for t in texts)
    ]
    assert unasked == []


def test_half_types_are_told_from_others() -> None:
    assert choose.is_half(torch.bfloat16)
    assert choose.is_half(torch.float16)
    assert not choose.is_half(torch.float32)


def test_types_are_autocasts_within_it() -> None:
    x = torch.zeros(1)
    assert choose.working_dtype(x) == torch.float32
    assert choose.rounded_dtype(x) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert choose.working_dtype(x) == choose.rounded_dtype(x) == torch.bfloat16
        assert choose.convolution_dtype(x, strided_groups=True) == torch.float32
        assert choose.convolution_dtype(x, strided_groups=False) == torch.bfloat16
        with choose.without_autocast(x):
            assert choose.working_dtype(x) == torch.float32


def test_fast_forms_are_taken_by_type() -> None:
    cpu = torch.device("cpu")
    maps, weight = torch.zeros(4, 128, 32, 32), torch.zeros(128, 128, 3, 3)
    assert choose.winograd_pays(maps, weight)
    assert not choose.winograd_pays(maps.bfloat16(), weight.bfloat16())
    assert not choose.upsamples_by_phases(cpu, torch.float32)
    assert choose.upsamples_by_phases(cpu, torch.bfloat16)
    assert not choose.modulates_kernels(maps, weight, upsample=False)
    assert choose.modulates_kernels(maps.bfloat16(), weight.bfloat16(), upsample=True)
    assert not choose.normalizes_by_groups(maps)
    assert choose.normalizes_by_groups(maps.bfloat16())
    assert not choose.normalizes_by_groups(maps[..., :16].bfloat16())


def test_small_maps_keep_the_plain_forms() -> None:
    maps, weight = torch.zeros(1, 128, 4, 4), torch.zeros(128, 128, 3, 3)
    assert not choose.winograd_pays(maps, weight)
    assert not choose.modulates_kernels(maps.bfloat16(), weight.bfloat16(), upsample=False)
    grad = torch.zeros(1, 32, 32, 32)
    assert not choose.winograd_weight_gradient_pays(grad, grad)


def test_a_compiler_gets_the_plain_forms() -> None:
    asked = []

    def ask(x: torch.Tensor) -> torch.Tensor:
        weight = torch.zeros(128, 128, 3, 3, dtype=x.dtype)
        asked.append(
            choose.has_own_gradient(x)
            or choose.blur_takes_box(x.device, x.dtype)
            or choose.normalizes_by_groups(x)
            or choose.adds_while_convolving(x)
            or choose.modulates_kernels(x, weight, upsample=False)
            or not choose.leaves_gradients_to_torch(x, weight)
        )
        return x + 1

    x = torch.zeros(1, 128, 32, 32, dtype=torch.bfloat16, requires_grad=True)
    torch.compile(ask, backend="eager", fullgraph=False)(x)
    assert asked == [False]

"""Which form of an operator runs: every question about devices, types, compilers and CPU units.

Operators hold a plain form and a faster one, and ask here, by name, which of them to take. The
answers follow measurements (benchmarks/RESULTS.md). What a whole run is made with (its device,
its precision, whether it is compiled) is chosen in `wspace.machine`.
"""

from __future__ import annotations

import contextlib
import functools

import torch
from torch import Tensor

__all__ = [
    "adds_while_convolving",
    "bfloat16_units",
    "blur_takes_box",
    "calls_registered_operators",
    "convolution_dtype",
    "filters_by_phases",
    "finishes_while_convolving",
    "has_matrix_units",
    "has_own_gradient",
    "is_half",
    "leaves_gradients_to_torch",
    "modulates_kernels",
    "normalizes_by_groups",
    "rounded_dtype",
    "upsamples_by_phases",
    "winograd_pays",
    "winograd_takes_weight",
    "winograd_weight_gradient_pays",
    "without_autocast",
    "working_dtype",
]

# Winograd's convolution is faster from this many channels, and tiles of 4x4 in a batch, on.
WINOGRAD_CHANNELS = 128
WINOGRAD_CHANNELS_OF_WEIGHT_GRADIENT = 64  # the plain gradient is slower
WINOGRAD_TILES = 64
WINOGRAD_TILES_TRANSFORMED = 16  # where the transformed weight is at hand
# torch's normalisation of groups is faster from this many pixels in a map on, and slower below.
GROUP_NORM_PIXELS = 1024


# What this CPU has


@functools.cache
def has_matrix_units() -> bool:
    """Whether this CPU has matrix units for bfloat16 (AMX).

    They make products so cheap that passes over maps count more.
    """
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def bfloat16_units() -> list[str]:
    """Which units for products of bfloat16 this CPU says it has: "BF16" (vectors), "AMX"."""
    vectors = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return ["BF16"] * bool(vectors) + ["AMX"] * has_matrix_units()


# Types


def is_half(dtype: torch.dtype) -> bool:
    """Whether a floating-point type has 16 bits."""
    return dtype in (torch.bfloat16, torch.float16)


def working_dtype(x: Tensor) -> torch.dtype:
    """What type maps have after a convolution of ``x``: its own, or under autocast that one's."""
    return torch.get_autocast_dtype(x.device.type) if _under_autocast(x) else x.dtype


def without_autocast(x: Tensor) -> contextlib.AbstractContextManager[object]:
    """A context in which operators keep the types of their operands, on the device of ``x``."""
    device = x.device.type
    if not torch.amp.is_autocast_available(device):
        return contextlib.nullcontext()
    return torch.autocast(device, enabled=False)


def rounded_dtype(x: Tensor) -> torch.dtype | None:
    """What autocast rounds a constant to that meets ``x``, so that it can be kept; or None.

    A compiler does that by itself.
    """
    if torch.compiler.is_compiling() or not _under_autocast(x):
        return None
    return torch.get_autocast_dtype(x.device.type)


def convolution_dtype(x: Tensor, *, strided_groups: bool) -> torch.dtype:
    """The type in which a convolution of ``x`` is computed.

    Args:
        x: the maps.
        strided_groups: whether groups of channels are convolved with a stride. oneDNN's gradient
            of that takes 40 to 300 times as long in bfloat16 as in float32.
    """
    dtype = working_dtype(x)
    return torch.float32 if strided_groups and _is_bfloat16_on_cpu(x.device, dtype) else dtype


# Gradients


def leaves_gradients_to_torch(x: Tensor, weight: Tensor) -> bool:
    """Whether a convolution's gradients are best derived by torch: traced, or learning on a GPU."""
    return torch.compiler.is_compiling() or (x.device.type != "cpu" and weight.requires_grad)


def has_own_gradient(x: Tensor) -> bool:
    """Whether what is computed of ``x`` brings its own backward pass along; compilers derive it."""
    return torch.is_grad_enabled() and x.requires_grad and not torch.compiler.is_compiling()


def calls_registered_operators() -> bool:
    """Whether to call an operator that is registered with torch, or its plain function.

    The operator has gradients, and a compiler leaves it whole. To call one for the first time
    imports that compiler, a second's work, which drawing does without.
    """
    return torch.compiler.is_compiling() or torch.is_grad_enabled()


# Convolutions


def winograd_pays(x: Tensor, weight: Tensor, *, transformed: bool = False) -> bool:
    """Whether `winograd.correlate` is faster here than a plain convolution.

    Args:
        x: (N, I, H, W), or (N, O, H, W) for the adjoint.
        weight: (O, I, 3, 3).
        transformed: the transformed weight is at hand.
    """
    tiles = x.shape[0] * (x.shape[2] // 4) * (x.shape[3] // 4)
    least = WINOGRAD_TILES_TRANSFORMED if transformed else WINOGRAD_TILES
    return winograd_takes_weight(weight) and _has_whole_tiles(x) and tiles >= least


def winograd_weight_gradient_pays(x: Tensor, grad: Tensor) -> bool:
    """Whether `winograd.weight_gradient` is faster here than a plain one.

    Args:
        x: (N, I, H, W).
        grad: (N, O, H, W).
    """
    channels = min(x.shape[1], grad.shape[1])
    return channels >= WINOGRAD_CHANNELS_OF_WEIGHT_GRADIENT and _has_whole_tiles(x)


def winograd_takes_weight(weight: Tensor) -> bool:
    """Whether `winograd.correlate` may want this weight (O, I, 3, 3) transformed."""
    return _is_float_on_cpu(weight) and min(weight.shape[:2]) >= WINOGRAD_CHANNELS


def adds_while_convolving(x: Tensor) -> bool:
    """Whether oneDNN adds a convolution of ``x`` to other maps without a pass of its own."""
    if torch.compiler.is_compiling() or not _is_bfloat16_on_cpu(x.device, x.dtype):
        return False
    return _onednn_adds()


def finishes_while_convolving(x: Tensor) -> bool:
    """Whether oneDNN clips a convolution of ``x``, or adds to it, without a pass of its own.

    In float32 on a CPU, where no gradient comes back.
    """
    if torch.compiler.is_compiling() or not _is_float_on_cpu(x) or _under_autocast(x):
        return False
    return not (torch.is_grad_enabled() and x.requires_grad) and _onednn_finishes()


def modulates_kernels(x: Tensor, weight: Tensor, *, upsample: bool) -> bool:
    """Whether a picture that is drawn by itself has its kernels modulated, instead of its maps.

    That takes fewer passes over large maps, which stay in cache if there are no others. It is for
    drawing alone: a gradient would have to come back through every picture's kernels. A compiler
    fuses those passes, and more of them.

    Args:
        x: (N, I, H, W).
        weight: (O, I, k, k).
        upsample: whether the convolution doubles the side.
    """
    if torch.compiler.is_compiling() or not _is_bfloat16_on_cpu(x.device, x.dtype):
        return False
    pixels = x[0, 0].numel() * (4 if upsample else 1)
    return pixels * sum(weight.shape[:2]) > 4 * weight.numel()


# Resampling


def upsamples_by_phases(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether plain convolutions, one a phase, are faster than one transposed convolution.

    oneDNN's transposed convolution is several times as slow as those in bfloat16 on a CPU.
    """
    return _is_bfloat16_on_cpu(device, dtype)


def filters_by_phases(x: Tensor) -> bool:
    """Whether StyleGAN3's filters run phase by phase instead of on the enlarged maps."""
    return x.device.type == "cpu"


def blur_takes_box(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether StyleGAN1's blur takes over the 2x2 box of the convolution beside it.

    That saves products: on a CPU, unless it has matrix units for the type. In training a compiler
    gets the form that it can fuse, which is then as fast.
    """
    if device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return dtype != torch.bfloat16 or not has_matrix_units()


# Normalisation


def normalizes_by_groups(x: Tensor) -> bool:
    """Whether torch's normalisation of groups is the faster instance normalisation of ``x``.

    It takes variances as differences of squares: float32 maps, which may be nearly flat far from
    zero, keep the exact way.
    """
    if torch.compiler.is_compiling() or not _is_bfloat16_on_cpu(x.device, x.dtype):
        return False
    return x.shape[2] * x.shape[3] >= GROUP_NORM_PIXELS


def _under_autocast(x: Tensor) -> bool:
    """Whether autocast is on where ``x`` lies; devices without memory ("meta") have none."""
    device = x.device.type
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _is_bfloat16_on_cpu(device: torch.device, dtype: torch.dtype) -> bool:
    return device.type == "cpu" and dtype == torch.bfloat16


def _is_float_on_cpu(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32


def _has_whole_tiles(x: Tensor) -> bool:
    return _is_float_on_cpu(x) and x.shape[2] % 4 == 0 and x.shape[3] % 4 == 0


@functools.cache
def _onednn_adds() -> bool:
    """Whether what torch's own compiler calls for such sums is there, and takes bfloat16 here."""
    ones = torch.ones(1, 1, 1, 1, dtype=torch.bfloat16)
    sides = [0, 0], [1, 1], [1, 1]
    try:
        torch.ops.mkldnn._convolution_pointwise_.binary(
            ones.clone(), ones, ones, None, *sides, 1, "add", 1.0, None, [], None
        )
    except (AttributeError, RuntimeError):
        return False
    return True


@functools.cache
def _onednn_finishes() -> bool:
    """Whether what torch's own compiler calls for such convolutions is there, and works here."""
    ones = torch.ones(1, 1, 1, 1)
    sides = [0, 0], [1, 1], [1, 1]
    try:
        torch.ops.mkldnn._convolution_pointwise(
            ones, ones, None, *sides, 1, "hardtanh", [0.0, 6.0], ""
        )
        torch.ops.mkldnn._convolution_pointwise.binary(
            ones, ones, ones, None, *sides, 1, "add", 1.0, None, [], None
        )
    except (AttributeError, RuntimeError):
        return False
    return True

"""The model file: one safetensors file that describes itself.

Its tensors are the weights of the generator and, if asked for, of the discriminator. Its header is
JSON: the configuration, what the model was trained on, its measured quality. Nothing in it is ever
executed.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from wspace.errors import WspaceError, reason
from wspace.files import atomic_path
from wspace.formats.finding import bundled_models, find_model
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    DiscriminatorConfig,
    GeneratorConfig,
    ProjectedConfig,
    discriminator_config,
)
from wspace.networks.generator import Generator

__all__ = [
    "FORMAT_VERSION",
    "ModelFile",
    "bundled_models",
    "find_model",
    "load",
    "load_model_file",
    "model_sha256",
    "read_metadata",
    "save",
]

FORMAT_VERSION = 1
MAX_HEADER_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """What a model file holds.

    Attributes:
        generator: the generator to sample from, in eval mode.
        discriminator: None where the file has none or it was not asked for.
        metadata: what the file says of itself beside its configuration: "trained_on", "kimg",
            "quality", "licence", "attribution" and the like.
    """

    generator: Generator
    discriminator: nn.Module | None
    metadata: dict[str, Any]


def save(
    generator: Generator,
    path: Path | str,
    *,
    discriminator: nn.Module | None = None,
    metadata: dict[str, Any] | None = None,
    dtype: torch.dtype | None = None,
    part: str = "",
) -> None:
    """Write a model file, whole or not at all.

    Args:
        generator: its weights, buffers and configuration are stored.
        path: NAME.safetensors.
        discriminator: stored too, for fine-tuning.
        metadata: plain JSON data that describes the model.
        dtype: storage type of floating-point tensors, such as torch.float16; None keeps theirs.
        part: ``dtype`` is only for tensors whose names start with this, such as
            "generator.synthesis"; all by default.

    Raises:
        WspaceError: the file cannot be written.
    """
    header: dict[str, Any] = {
        "version": FORMAT_VERSION,
        "generator": generator.config.to_dict(),
        "metadata": metadata or {},
    }
    tensors = {f"generator.{k}": v for k, v in generator.state_dict().items()}
    if discriminator is not None:
        header["discriminator"] = cast(Any, discriminator.config).to_dict()
        tensors |= {f"discriminator.{k}": v for k, v in discriminator.state_dict().items()}
    stored = {
        name: _to_storage(tensor, dtype if name.startswith(part) else None)
        for name, tensor in tensors.items()
    }
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(stored, temporary, metadata={"wspace": json.dumps(header)})


def load(
    model: Path | str, *, device: torch.device | str = "cpu", precision: str = "fp32"
) -> Generator:
    """Load a generator, ready to sample from.

    Args:
        model: a bundled name, a .safetensors file or a run folder; see `find_model`.
        device: where its tensors go.
        precision: "fp32", or "bf16" to keep the synthesis in bfloat16.

    Returns:
        The generator in eval mode, without gradients.

    Raises:
        WspaceError: there is no such model, or the file is not a whole wspace model.
    """
    if precision not in ("fp32", "bf16"):
        raise WspaceError(f"precision={precision!r} is unknown: give fp32 or bf16.")
    generator = load_model_file(model, discriminator=False).generator.to(device)
    if precision == "bf16":
        generator.synthesis.to(torch.bfloat16)
    return generator


def load_model_file(model: Path | str, *, discriminator: bool = True) -> ModelFile:
    """Load everything that a model file holds.

    Args:
        model: as `load` takes it.
        discriminator: whether to load the discriminator, too, if the file has one.

    Raises:
        WspaceError: as `load`; or the discriminator needs a package that is not installed.
    """
    path = find_model(model)
    header = _read_header(path)
    try:
        tensors = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise WspaceError(
            f"{path} is damaged ({reason(error)}): fetch or train it again."
        ) from None
    config = GeneratorConfig.from_dict(header["generator"])
    generator = _build_with_tensors(config, tensors, "generator", path)
    judge = None
    if discriminator and "discriminator" in header:
        judge = _build_with_tensors(
            discriminator_config(header["discriminator"]), tensors, "discriminator", path
        )
    assert isinstance(generator, Generator)
    generator.name = _plain_name(model, path)
    return ModelFile(generator=generator, discriminator=judge, metadata=header["metadata"])


def _plain_name(model: Path | str, path: Path) -> str:
    """The bundled name, the run folder's name or the file's name; never a path."""
    if path in bundled_models().values():
        return path.stem
    return Path(model).resolve().name if Path(model).is_dir() else path.name


def read_metadata(model: Path | str) -> dict[str, Any]:
    """The header of a model file: "version", "generator" (its configuration), "metadata".

    Reads no tensor. Raises as `load`.
    """
    return _read_header(find_model(model))


def model_sha256(generator: nn.Module) -> str:
    """Fingerprint of a network: SHA-256 over sorted tensor names, dtypes, shapes and bytes.

    The same weights give the same fingerprint, in every file and on every device.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(generator.state_dict().items()):
        tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _to_storage(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype is not None and tensor.is_floating_point():
        tensor = tensor.to(dtype)
    return tensor.detach().cpu().contiguous()


def _read_header(path: Path) -> dict[str, Any]:
    """The wspace part of a safetensors header, its size checked before memory is taken."""
    advice = "give a .safetensors file made by wspace"
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            whole = path.stat().st_size
            is_header = 2 <= size <= min(MAX_HEADER_BYTES, whole - 8)
            # A header's size may start with the byte that pickles start with.
            if not is_header and (start[:1] == b"\x80" or start[:4] == b"PK\x03\x04"):
                raise WspaceError(
                    f"{path} is a pickle or a zip, not a wspace model: official StyleGAN pickles "
                    "become one with `wspace import`."
                )
            if not is_header:
                raise WspaceError(f"{path} is no whole safetensors file ({whole} bytes): {advice}.")
            header = json.loads(file.read(size))
        text = header["__metadata__"]["wspace"]
        content = json.loads(text)
        version = content["version"]
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror}: check the path.") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, WspaceError):
            raise
        raise WspaceError(f"{path} is not a wspace model: {advice}.") from None
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise WspaceError(
            f"{path} has format version {version!r:.60}, this wspace reads up to {FORMAT_VERSION}: "
            "upgrade with pip install -U wspace."
        )
    if not isinstance(content.get("metadata"), dict) or "generator" not in content:
        raise WspaceError(f"{path} is not a wspace model: {advice}.")
    return cast(dict[str, Any], content)


def _build_with_tensors(
    config: GeneratorConfig | DiscriminatorConfig | ProjectedConfig,
    tensors: dict[str, Tensor],
    part: str,
    path: Path,
) -> nn.Module:
    """The network with the tensors of the file, without drawing random weights first.

    The tensors stay memory-mapped where their type is float32 already.
    """
    own = {k.removeprefix(f"{part}."): v for k, v in tensors.items() if k.startswith(f"{part}.")}
    network: nn.Module
    with _NothingDrawn():
        network = (
            build_generator(config)
            if isinstance(config, GeneratorConfig)
            else build_discriminator(config)
        )
    expected = network.state_dict()
    for name, tensor in expected.items():
        if name not in own or own[name].shape != tensor.shape:
            found = tuple(own[name].shape) if name in own else "nothing"
            raise WspaceError(
                f"{path} is damaged: {part}.{name} should be {tuple(tensor.shape)}, found {found}: "
                "fetch or train it again."
            )
    if extra := sorted(set(own) - set(expected)):
        raise WspaceError(f"{path} holds an unknown tensor {extra[0]!r:.60}: upgrade wspace.")
    own = {k: v.float() if v.is_floating_point() else v for k, v in own.items()}
    network.load_state_dict(own, assign=True)
    return network.eval().requires_grad_(False)


class _NothingDrawn(TorchFunctionMode):
    """Networks built in here take memory for their random weights, but draw none.

    The meta device would do as well, but torch imports its compiler for it, which takes two
    seconds.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        draws = func in (torch.randn, torch.rand)
        return (torch.empty if draws else func)(*args, **(kwargs or {}))

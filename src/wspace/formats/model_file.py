"""The model file: one safetensors file that describes itself.

Its tensors are the weights of the generator and, if asked for, of the discriminator and of an
encoder. Its header is JSON: the configuration, what the model was trained on, its measured quality.
Nothing in it is ever executed.

A tuned model is a file of the same kind, whose tensors are how it differs from the model that it
was tuned from: see `difference`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from wspace.errors import WspaceError, reason
from wspace.files import atomic_path
from wspace.formats.difference import Base, with_changes
from wspace.formats.finding import bundled_models, find_model
from wspace.formats.hub import PREFIX, HubName
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    DiscriminatorConfig,
    EncoderConfig,
    GeneratorConfig,
    ProjectedConfig,
    discriminator_config,
)
from wspace.networks.encoder import Encoder
from wspace.networks.generator import Generator
from wspace.plain import from_plain, to_plain
from wspace.recipe.recipe import ModelIdentity

__all__ = [
    "FORMAT_VERSION",
    "ModelFile",
    "add_encoder",
    "base_of",
    "bundled_models",
    "find_model",
    "load",
    "load_encoder",
    "load_model_file",
    "model_sha256",
    "read_metadata",
    "save",
    "save_tuned",
]

FORMAT_VERSION = 2  # 1: whole models; 2: tuned ones, which are a difference from their base
MAX_HEADER_BYTES = 16 * 2**20

_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """What a model file holds.

    Attributes:
        generator: the generator to sample from, in eval mode.
        discriminator: None where the file has none or it was not asked for.
        encoder: likewise; in eval mode.
        metadata: what the file says of itself beside its configuration: "trained_on", "kimg",
            "quality", "licence", "attribution" and the like.
    """

    generator: Generator
    discriminator: nn.Module | None
    encoder: Encoder | None
    metadata: dict[str, Any]


def save(
    generator: Generator,
    path: Path | str,
    *,
    discriminator: nn.Module | None = None,
    encoder: Encoder | None = None,
    metadata: dict[str, Any] | None = None,
    dtype: torch.dtype | None = None,
    part: str = "",
) -> None:
    """Write a model file, whole or not at all.

    Args:
        generator: its weights, buffers and configuration are stored.
        path: NAME.safetensors.
        discriminator: stored too, for fine-tuning.
        encoder: stored too, for inversion, in half precision: it finds a place to start from. It
            is told no attributes, see `Encoder.untold`.
        metadata: plain JSON data that describes the model.
        dtype: storage type of floating-point tensors, such as torch.float16; None keeps theirs.
        part: ``dtype`` is only for tensors whose names start with this, such as
            "generator.synthesis"; all by default.

    Raises:
        WspaceError: the file cannot be written.
    """
    header: dict[str, Any] = {
        "version": 1,
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
    if encoder is not None:
        header["encoder"] = encoder.config.to_dict()
        stored |= _encoder_tensors(encoder)
    _write(path, stored, header)


def add_encoder(model: Path | str, encoder: Encoder, path: Path | str) -> None:
    """Write a model file again with an encoder in it, and everything else as it was.

    Args:
        model: as `load` takes it, no tuned one.
        encoder: takes the place of one that was there.
        path: of the file to write; it may be the model's own.

    Raises:
        WspaceError: as `load`, or the file cannot be written.
    """
    place = find_model(model)
    header, tensors = _read(place)
    if "base" in header:
        raise WspaceError(f"{place} is a tuned model: teach an encoder for the one it came from.")
    header["encoder"] = encoder.config.to_dict()
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("encoder.")}
    _write(path, kept | _encoder_tensors(encoder), header)


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


def load_model_file(
    model: Path | str, *, discriminator: bool = True, encoder: bool = False
) -> ModelFile:
    """Load what a model file holds.

    Args:
        model: as `load` takes it.
        discriminator: whether to load the discriminator, too, if the file has one.
        encoder: whether to load the encoder, too, if the file has one.

    Raises:
        WspaceError: as `load`; or the discriminator needs a package that is not installed.
    """
    path = find_model(model)
    header, tensors = _read(path)
    if "base" in header:
        return _load_tuned(model, path, header, tensors, discriminator, encoder)
    config = GeneratorConfig.from_dict(header["generator"])
    generator = _build_with_tensors(config, tensors, "generator", path)
    judge = None
    if discriminator and "discriminator" in header:
        judge = _build_with_tensors(
            discriminator_config(header["discriminator"]), tensors, "discriminator", path
        )
    assert isinstance(generator, Generator)
    generator.name = _plain_name(model, path)
    return ModelFile(
        generator=generator,
        discriminator=judge,
        encoder=_encoder_of(header, tensors, path) if encoder else None,
        metadata=header["metadata"],
    )


def load_encoder(model: Path | str) -> Encoder | None:
    """The encoder of a model, in eval mode; a tuned model has its base's. None where it has none.

    Args:
        model: as `load` takes it.

    Raises:
        WspaceError: as `load`.
    """
    path = base_of(model)
    return _encoder_of(*_read(path), path)


def save_tuned(
    changes: Mapping[str, Tensor],
    path: Path | str,
    *,
    base: Path | str,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write what was tuned of a model, as a file that every command takes as a model.

    It holds no more than that, and is one as long as its base is found: among the bundled models,
    beside the file, or where it lay, as seen from the file, when that was written.

    Args:
        changes: of the base's synthesis network, as `difference.packed` gives them.
        path: NAME.safetensors, not the base's own.
        base: the model that was tuned, as `load` takes it; of a tuned one, its base is meant.
        metadata: plain JSON data that describes the model.

    Raises:
        WspaceError: the file cannot be written, or the changes are none of this base.
    """
    path, place = Path(path), base_of(base)
    origin = load(place)
    with_changes(origin, changes)
    if path.resolve() == place.resolve():
        raise WspaceError(f"{path} is the model itself: write the tuned one to another file.")
    bundled = place in bundled_models().values()
    identity = ModelIdentity(name=_plain_name(place, place), sha256=model_sha256(origin))
    near = "" if bundled else os.path.relpath(place.resolve(), path.resolve().parent)
    header = {
        "version": FORMAT_VERSION,
        "generator": origin.config.to_dict(),
        "metadata": metadata or {},
        "base": to_plain(Base(model=identity, path=near)),
    }
    _write(path, dict(changes), header)


def base_of(model: Path | str) -> Path:
    """The file of a whole model: that of ``model``, or of the one that it was tuned from.

    Raises:
        WspaceError: as `load`.
    """
    path = find_model(model)
    header = _read_header(path)
    return _find_base(path, header) if "base" in header else path


def _load_tuned(
    model: Path | str,
    path: Path,
    header: dict[str, Any],
    tensors: dict[str, Tensor],
    discriminator: bool,
    encoder: bool,
) -> ModelFile:
    file = load_model_file(_find_base(path, header), discriminator=discriminator, encoder=encoder)
    generator = file.generator
    try:
        tuned = with_changes(generator, tensors)
    except WspaceError as error:
        raise WspaceError(f"{path} is damaged: {error}: tune the model again.") from None
    tuned.name = _plain_name(model, path)
    return replace(file, generator=tuned, metadata=header["metadata"])


def _find_base(path: Path, header: dict[str, Any]) -> Path:
    """The file of the whole model that a tuned one came from, by the fingerprint of its weights."""
    try:
        base = from_plain(Base, header["base"], what="base")
    except WspaceError as error:
        raise WspaceError(f"{path} is damaged ({error}): tune the model again.") from None
    model, bundled = base.model, bundled_models()
    places = [bundled[model.name]] if model.name in bundled else []
    stored = [base.path] if base.path and "\0" not in base.path else []
    for name in (*stored, model.name, f"{model.name}.safetensors"):
        near = path.parent / name
        places.append(near / "model.safetensors" if os.path.isdir(near) else near)
    tried = [place for place in dict.fromkeys(places) if os.path.isfile(place)]
    for place in tried:
        with contextlib.suppress(WspaceError):
            if "base" not in _read_header(place) and model_sha256(load(place)) == model.sha256:
                return place
    what = f"{model.name or 'a model without a name'} (sha256 {model.sha256[:12]}...)"
    found = f"{tried[0]} has other weights" if tried else "it is not found"
    raise WspaceError(f"{path} was tuned from {what}, and {found}: put that model beside it.")


def _plain_name(model: Path | str, path: Path) -> str:
    """The bundled name, the run folder's, the file's, or that on a hub; never a path."""
    if isinstance(model, str) and model.startswith(PREFIX):
        return HubName.parse(model).name
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


def _write(path: Path | str, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(tensors, temporary, metadata={"wspace": json.dumps(header)})


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and all tensors, which stay memory-mapped."""
    header = _read_header(path)
    try:
        return header, safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise WspaceError(
            f"{path} is damaged ({reason(error)}): fetch or train it again."
        ) from None


def _encoder_of(header: dict[str, Any], tensors: dict[str, Tensor], path: Path) -> Encoder | None:
    if "encoder" not in header:
        return None
    with _NothingDrawn():
        network = Encoder(
            GeneratorConfig.from_dict(header["generator"]),
            own=EncoderConfig.from_dict(header["encoder"]),
        )
    return _with_tensors(network, tensors, "encoder", path)


def _encoder_tensors(encoder: Encoder) -> dict[str, Tensor]:
    return {
        f"encoder.{name}": _to_storage(tensor, torch.float16)
        for name, tensor in encoder.state_dict().items()
    }


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
    """The network with the tensors of the file, without drawing random weights first."""
    network: nn.Module
    with _NothingDrawn():
        network = (
            build_generator(config)
            if isinstance(config, GeneratorConfig)
            else build_discriminator(config)
        )
    return _with_tensors(network, tensors, part, path)


def _with_tensors(network: _Network, tensors: dict[str, Tensor], part: str, path: Path) -> _Network:
    """The network with the tensors of the file, in eval mode, without gradients.

    The tensors stay memory-mapped where their type is float32 already.
    """
    own = {k.removeprefix(f"{part}."): v for k, v in tensors.items() if k.startswith(f"{part}.")}
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
        if func is torch.Tensor.uniform_:  # how layers of PyTorch's own draw theirs
            return args[0]
        draws = func in (torch.randn, torch.rand)
        return (torch.empty if draws else func)(*args, **(kwargs or {}))

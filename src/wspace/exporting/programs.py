"""Writing a model as torch programs (.pt2), which torch alone loads and runs: `torch.export`."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from wspace.exporting.check import require_agreement, tried
from wspace.exporting.graphs import ABOUT, OFFSETS, noise_name
from wspace.exporting.networks import style_widths
from wspace.exporting.onnx_files import Exported, write_files
from wspace.files import check_absent
from wspace.images import to_uint8
from wspace.networks.generator import Generator

__all__ = ["Programs", "export_programs"]

_TRACED = 3  # pictures, which stand for any number of them


class _Mapping(nn.Module):
    """z (and classes) to w: (N, z_dim), float32, and (N,), int64, to (N, w_dim)."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.network, self.num_classes = generator.mapping, generator.num_classes

    def forward(self, z: Tensor, classes: Tensor | None = None) -> Tensor:
        one_hot = None
        if classes is not None:
            one_hot = (classes[:, None] == torch.arange(self.num_classes)).float()
        return self.network.w(z, one_hot)


class _Synthesis(nn.Module):
    """ws, noise maps and style offsets to images and pictures.

    (N, num_ws, w_dim), a list of (N, 1, H, W), and (N, channels of all styles), to (N, C, H, W),
    float32, and (N, H, W, C), uint8.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.network, self.widths = generator.synthesis, style_widths(generator)

    def forward(
        self, ws: Tensor, noise: list[Tensor], style_offsets: Tensor
    ) -> tuple[Tensor, Tensor]:
        offsets = style_offsets.split(self.widths, dim=1)
        image = self.network(ws, noise, style_offsets=offsets)
        return image, to_uint8(image)


class _Whole(nn.Module):
    """z, psi (N, num_ws) (and classes) to images and pictures, with the stored noise."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.mapping, self.network = _Mapping(generator), generator.synthesis

    def forward(
        self, z: Tensor, psi: Tensor, classes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        w = self.mapping(z, classes)[:, None]
        # `truncation.truncate` without its look at the values of psi, which a program cannot have
        ws = torch.lerp(self.mapping.network.w_avg, w, psi[:, :, None])
        image = self.network(ws)
        return image, to_uint8(image)


class _Defaults(nn.Module):
    """The stored noise maps, and style offsets of zeros."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.network, self.channels = generator.synthesis, sum(style_widths(generator))

    def forward(self) -> tuple[list[Tensor], Tensor]:
        stored: list[Tensor] = self.network.const_noise  # type: ignore[assignment]
        return [one.clone() for one in stored], torch.zeros(1, self.channels)


class Programs:
    """The programs of a model, loaded again; see `check.Run`.

    Args:
        programs: the bytes of each file, by name.
    """

    def __init__(self, programs: Mapping[str, bytes]) -> None:
        self._modules = {
            name: torch.export.load(io.BytesIO(content)).module()
            for name, content in programs.items()
        }

    def __call__(self, graph: str, /, **inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """The outputs of a program by name."""
        given = {name: torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in inputs}
        noise = [given[name] for name in given if name.startswith("noise_")]
        first = [given[name] for name in ("z", "ws", "psi", "class") if name in given]
        last = [noise, given[OFFSETS]] if graph == "synthesis" else []
        with torch.no_grad():
            results = self._modules[graph](*first, *last)
        if graph == "mapping":
            return {"w": results.numpy()}
        if graph == "defaults":
            maps = {noise_name(number): made.numpy() for number, made in enumerate(results[0])}
            return {**maps, OFFSETS: results[1].numpy()}
        return {"image": results[0].numpy(), "picture": results[1].numpy()}


def export_programs(generator: Generator, out: Path, facts: Mapping[str, Any]) -> Exported:
    """Write a model as torch programs, whole or not at all, and checked before they are there.

    Args:
        generator: on the CPU, its weights in float32.
        out: a folder that is not there yet, for a file a program and model.json; or NAME.pt2, for
            the whole alone.
        facts: see `facts.facts_of`; they go along in each file.

    Raises:
        WspaceError: something lies there already, it cannot be written, or the programs draw
            something else than wspace.
    """
    check_absent(out)
    one_file = out.suffix.lower() == ".pt2"
    made = _programs(generator, ["whole"] if one_file else list(ABOUT))
    text = json.dumps(facts, allow_nan=False)
    contents = {name: _content(program, text) for name, (program, _) in made.items()}
    found = tried(generator, Programs(contents), parts=not one_file)
    require_agreement(found)
    files = {out.name if one_file else f"{name}.pt2": content for name, content in contents.items()}
    return Exported(
        files=write_files(out, files, facts),
        shapes=dict(zip(files, (shapes for _, shapes in made.values()), strict=True)),
        agreement=found,
    )


def _programs(
    generator: Generator, names: Sequence[str]
) -> dict[str, tuple[torch.export.ExportedProgram, str]]:
    """Programs by name, with what goes in and comes out in words."""
    n, num_ws = _TRACED, generator.num_ws
    batch = torch.export.Dim("batch", min=1)
    first: dict[int, Any] = {0: batch}
    z, psi = torch.zeros(n, generator.z_dim), torch.ones(n, num_ws)
    ws = torch.zeros(n, num_ws, generator.w_dim)
    noise = [torch.zeros(n, 1, *shape) for shape in generator.noise_shapes]
    offsets = torch.zeros(n, sum(style_widths(generator)))
    classes = (torch.zeros(n, dtype=torch.int64),) if generator.num_classes else ()
    own = f"z (batch, {generator.z_dim})"
    last = ", classes (batch)" if classes else ""
    drawn = "image, picture"
    plans: dict[str, tuple[nn.Module, tuple[Any, ...], tuple[Any, ...], str]] = {
        "mapping": (
            _Mapping(generator),
            (z, *classes),
            (first,) * (1 + len(classes)),
            f"{own}{last} -> w (batch, {generator.w_dim})",
        ),
        "synthesis": (
            _Synthesis(generator),
            (ws, noise, offsets),
            (first, [first] * len(noise), first),
            f"ws (batch, {num_ws}, {generator.w_dim}), list of {len(noise)} noise maps, "
            f"style_offsets (batch, {offsets.shape[1]}) -> {drawn}",
        ),
        "whole": (
            _Whole(generator),
            (z, psi, *classes),
            (first,) * (2 + len(classes)),
            f"{own}, psi (batch, {num_ws}){last} -> {drawn}",
        ),
        "defaults": (_Defaults(generator), (), (), "list of the stored noise maps, style_offsets"),
    }
    made = {}
    for name in names:
        module, arguments, shapes, about = plans[name]
        # with gradients on, operators take no parts and overwrite nothing
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch speaks of its own changes to come
            program = torch.export.export(module.eval(), arguments, dynamic_shapes=shapes)
        made[name] = (program, about)
    return made


def _content(program: torch.export.ExportedProgram, facts: str) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={"model.json": facts})
    return buffer.getvalue()

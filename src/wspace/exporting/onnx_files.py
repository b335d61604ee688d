"""Writing a model as ONNX files, whole or not at all, and checked before they are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wspace.errors import WspaceError, reason
from wspace.exporting.check import Agreement, Sessions, require_agreement, tried
from wspace.exporting.facts import as_properties
from wspace.exporting.graph import (
    DEFAULT_OPSET,
    NEWEST_OPSET,
    OLDEST_OPSET,
    Graph,
    WeightType,
    require_onnx,
)
from wspace.exporting.graphs import ABOUT, graphs_of
from wspace.files import atomic_folder, atomic_write_bytes, check_absent
from wspace.networks.generator import Generator

if TYPE_CHECKING:
    import onnx

__all__ = ["Exported", "check_opset", "export_onnx", "file_content", "write_files"]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        files: bytes of each, by name.
        shapes: of each that draws, what goes in and comes out.
        agreement: of pictures with wspace's.
    """

    files: dict[str, int]
    shapes: dict[str, str]
    agreement: Agreement


def check_opset(opset: int) -> None:
    """Whether graphs can be written with that set of operators.

    Raises:
        WspaceError: too old, or newer than the installed onnx.
    """
    from onnx import defs

    newest = min(NEWEST_OPSET, int(defs.onnx_opset_version()))
    if not OLDEST_OPSET <= opset <= newest:
        raise WspaceError(
            f"opset={opset} is outside {OLDEST_OPSET} to {newest}: leave --opset out for "
            f"{DEFAULT_OPSET}."
        )


def export_onnx(
    generator: Generator,
    out: Path,
    facts: Mapping[str, Any],
    *,
    weights: WeightType = "float32",
    opset: int = DEFAULT_OPSET,
) -> Exported:
    """Write a model as ONNX files.

    Args:
        generator: on the CPU, its weights in float32.
        out: a folder that is not there yet, for a file a graph and model.json; or NAME.onnx, for
            the whole alone.
        facts: see `facts.facts_of`; they go along as metadata, and into model.json.
        weights: how large weights are stored.
        opset: version of the standard operators.

    Raises:
        WspaceError: something lies there already, packages are missing, an opset out of range, or
            float32 graphs that draw something else than wspace.
    """
    require_onnx()
    check_opset(opset)
    one_file = out.suffix.lower() == ".onnx"
    graphs = graphs_of(generator, weights)
    facts = {
        **facts,
        "opset": opset,
        "weights": weights,
        "graphs": {
            name: {
                "about": ABOUT[name],
                "inputs": [port.to_dict() for port in graph.inputs],
                "outputs": [port.to_dict() for port in graph.outputs],
            }
            for name, graph in graphs.items()
            if not one_file or name == "whole"
        },
    }
    kept = {"whole": graphs["whole"]} if one_file else graphs
    properties = as_properties(facts)
    contents = {name: file_content(graph, name, opset, properties) for name, graph in kept.items()}
    found = tried(generator, Sessions(contents), parts=not one_file)
    if weights == "float32":
        require_agreement(found)
    files = {
        out.name if one_file else f"{name}.onnx": content for name, content in contents.items()
    }
    return Exported(
        files=write_files(out, files, facts),
        shapes=dict(zip(files, (graph.describe() for graph in kept.values()), strict=True)),
        agreement=found,
    )


def write_files(out: Path, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> dict[str, int]:
    """Write files and model.json into a folder that is not there yet, or one file by itself.

    Args:
        out: the folder; or the file, where ``files`` holds just that name.
        files: their contents by name.
        facts: what model.json says.

    Returns:
        Bytes of each, by name.

    Raises:
        WspaceError: something lies there already, or it cannot be written.
    """
    check_absent(out)
    if list(files) == [out.name]:
        atomic_write_bytes(out, files[out.name])
        return {out.name: len(files[out.name])}
    described = (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode()
    whole = {**files, "model.json": described}
    with atomic_folder(out) as folder:
        for name, content in whole.items():
            atomic_write_bytes(folder / name, content)
    return {name: len(content) for name, content in whole.items()}


def file_content(graph: Graph, name: str, opset: int, properties: Mapping[str, str]) -> bytes:
    """A graph of `graphs_of` as the bytes of its file.

    Args:
        graph: one of them.
        name: its name there.
        opset: version of the standard operators.
        properties: texts that go along as metadata.

    Raises:
        WspaceError: the graph is not valid, which is a bug.
    """
    from onnx import checker

    model: onnx.ModelProto = graph.model(opset, properties, ABOUT[name])
    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, RuntimeError) as error:
        raise WspaceError(f"the graph {name} is not valid ({reason(error)}): report it.") from None
    return bytes(model.SerializeToString())

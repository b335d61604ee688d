"""Writing a model as ONNX files, whole or not at all, and checked before they are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wspace.errors import WspaceError, reason
from wspace.exporting.check import Agreement, Sessions, agreement, trial_recipes
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
from wspace.files import atomic_folder, atomic_write_bytes
from wspace.networks.generator import Generator

if TYPE_CHECKING:
    import onnx

__all__ = ["MOST_DIFFERENCE", "Exported", "check_opset", "export_onnx"]

MOST_DIFFERENCE = 2.0  # steps of 1/255 that a float32 picture may be from wspace's
_CHECKED = 16  # pictures; fewer of large ones
_CHECKED_PIXELS = 2**18


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        files: bytes of each, by name.
        graphs: those in them.
        agreement: of pictures with wspace's.
    """

    files: dict[str, int]
    graphs: tuple[Graph, ...]
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
    contents = {name: _content(graph, name, opset, facts) for name, graph in kept.items()}
    found = _checked(generator, contents, weights)
    files = {f"{name}.onnx": content for name, content in contents.items()}
    if one_file:
        files = {out.name: contents["whole"]}
        atomic_write_bytes(out, contents["whole"])
    else:
        files["model.json"] = (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode()
        with atomic_folder(out) as folder:
            for name, content in files.items():
                atomic_write_bytes(folder / name, content)
    return Exported(
        files={name: len(content) for name, content in files.items()},
        graphs=tuple(kept.values()),
        agreement=found,
    )


def _content(graph: Graph, name: str, opset: int, facts: Mapping[str, Any]) -> bytes:
    from onnx import checker

    model: onnx.ModelProto = graph.model(opset, as_properties(facts), ABOUT[name])
    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, RuntimeError) as error:
        raise WspaceError(f"the graph {name} is not valid ({reason(error)}): report it.") from None
    return bytes(model.SerializeToString())


def _checked(generator: Generator, contents: Mapping[str, bytes], weights: WeightType) -> Agreement:
    """Compare with wspace: by mapping and synthesis where they are there, and by the whole."""
    sessions = Sessions(contents)
    count = max(2, min(_CHECKED, _CHECKED_PIXELS // generator.size.area))
    recipes = trial_recipes(generator, count)
    plain = recipes[::2]  # of one source, with the stored noise
    found = [agreement(generator, sessions, plain, whole=True)]
    if "synthesis" in contents:
        found.append(agreement(generator, sessions, recipes))
    worst = Agreement(
        pictures=sum(one.pictures for one in found),
        largest=max(one.largest for one in found),
        psnr=min(one.psnr for one in found),
    )
    if weights == "float32" and worst.largest >= MOST_DIFFERENCE:
        raise WspaceError(
            f"the graphs draw something else than wspace, by up to {worst.largest:.1f}/255: "
            "nothing was written; report it with the model's configuration."
        )
    return worst

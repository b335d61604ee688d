"""ONNX files: what is in them, and that they are written whole or not at all."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from network_kinds import generator_of_kind

from wspace.errors import WspaceError
from wspace.exporting import onnx_files
from wspace.exporting.check import Agreement
from wspace.exporting.facts import facts_of
from wspace.exporting.onnx_files import export_onnx
from wspace.formats.model_file import model_sha256
from wspace.networks.generator import Generator


def export(generator: Generator, out: Path, **options: Any) -> onnx_files.Exported:
    metadata = {"licence": "CC0", "attribution": "Nobody", "trained_on": "dots"}
    return export_onnx(generator, out, facts_of(generator, metadata, {}), **options)


def test_a_folder_holds_the_graphs_and_the_facts(tmp_path: Path) -> None:
    generator = generator_of_kind("adain, classes")
    exported = export(generator, tmp_path / "model")
    names = {"mapping.onnx", "synthesis.onnx", "whole.onnx", "defaults.onnx", "model.json"}
    assert {path.name for path in (tmp_path / "model").iterdir()} == names == set(exported.files)
    for name, size in exported.files.items():
        assert (tmp_path / "model" / name).stat().st_size == size
    assert exported.agreement.largest < 2
    facts = json.loads((tmp_path / "model/model.json").read_text())
    assert facts["model"]["sha256"] == model_sha256(generator)
    assert facts["opset"] == 17
    for name in names - {"model.json"}:
        session = onnxruntime.InferenceSession(tmp_path / "model" / name)
        said = session.get_modelmeta().custom_metadata_map
        assert json.loads(said["wspace"]) == facts
        assert (said["licence"], said["attribution"]) == ("CC0", "Nobody")
        assert list(map(float, said["w_avg"].split())) == facts["w_avg"]
        assert said["noise_layers"] == "0 1 2 3 4 5"
        own = facts["graphs"][name.removesuffix(".onnx")]
        for stated, found in (
            (own["inputs"], session.get_inputs()),
            (own["outputs"], session.get_outputs()),
        ):
            assert [port["name"] for port in stated] == [value.name for value in found]
            assert [port["shape"] for port in stated] == [value.shape for value in found]
            assert all(port["about"] for port in stated)
        model = onnx.load(tmp_path / "model" / name)
        assert model.opset_import[0].version == 17
        assert len(model.opset_import) == 1
        assert all(value.doc_string for value in (*model.graph.input, *model.graph.output))


def test_a_name_in_onnx_is_the_whole_in_one_file(tmp_path: Path) -> None:
    generator = generator_of_kind("alias-free, t")
    exported = export(generator, tmp_path / "small.onnx", weights="float16")
    assert set(exported.files) == {"small.onnx"}
    session = onnxruntime.InferenceSession(tmp_path / "small.onnx")
    assert [value.name for value in session.get_inputs()] == ["z", "psi"]
    z = np.zeros((2, generator.z_dim), dtype=np.float32)
    (picture,) = session.run(["picture"], {"z": z, "psi": np.ones((1, 1), dtype=np.float32)})
    assert picture.shape == (2, 16, 16, 3)
    said = json.loads(session.get_modelmeta().custom_metadata_map["wspace"])
    assert list(said["graphs"]) == ["whole"]
    assert said["weights"] == "float16"


@pytest.mark.parametrize("kind", ["adain", "demodulated", "alias-free, t"])
def test_the_same_model_makes_the_same_bytes(kind: str, tmp_path: Path) -> None:
    generator = generator_of_kind(kind)
    for name in ("a", "b"):
        export(generator, tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("opset", [-1, 0, 9, 12, 24, 10**9])
def test_an_opset_out_of_range_is_refused(opset: int, tmp_path: Path) -> None:
    with pytest.raises(WspaceError, match=f"opset={opset} is outside 13 to 23"):
        export(generator_of_kind("adain"), tmp_path / "model", opset=opset)
    assert list(tmp_path.iterdir()) == []


def test_what_lies_there_stays(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/mine.txt").write_text("mine")
    with pytest.raises(WspaceError, match="is there already"):
        export(generator_of_kind("adain"), tmp_path / "model")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "mine.txt"]


def test_graphs_that_draw_something_else_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def far_off(*_: Any, **__: Any) -> Agreement:
        return Agreement(pictures=1, largest=2.5, psnr=40.0)

    monkeypatch.setattr(onnx_files, "tried", far_off)
    for out in (tmp_path / "model", tmp_path / "model.onnx"):
        with pytest.raises(WspaceError, match=r"by up to 2\.5/255: nothing was written"):
            export(generator_of_kind("adain"), out)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_float16_cannot_hold_are_named(tmp_path: Path) -> None:
    generator = generator_of_kind("adain")
    name = "synthesis.layers.1.conv.weight"
    generator.get_parameter(name)[0, 0] = 1e8
    with pytest.raises(WspaceError, match=rf"{re.escape(name)} holds .* which float16 cannot"):
        export(generator, tmp_path / "model", weights="float16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WspaceError, match=r"pip install 'wspace\[onnx\]'"):
        export(generator_of_kind("adain"), tmp_path / "model")

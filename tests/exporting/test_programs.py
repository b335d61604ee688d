"""Programs of torch.export: torch alone runs them, and they draw what wspace draws."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from network_kinds import generator_of_kind

from wspace.errors import WspaceError
from wspace.exporting.facts import facts_of
from wspace.exporting.programs import export_programs

# What a program that has never heard of wspace does with the whole.
ALONE = """
import sys
sys.modules["wspace"] = None
import numpy as np, torch
path, layers, width, classes = sys.argv[1], *map(int, sys.argv[2:])
extra = {"model.json": ""}
run = torch.export.load(path, extra_files=extra).module()
for batch in (1, 5):
    z = torch.from_numpy(np.random.RandomState(0).randn(batch, width)).float()
    given = [torch.arange(batch) % classes] if classes else []
    image, picture = run(z, torch.full((batch, layers), 0.7), *given)
    np.savez(f"{path}.{batch}.npz", image=image.detach(), picture=picture)
print(extra["model.json"])
"""


@pytest.mark.slow  # torch takes its time to trace, and again to load
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "kind",
    [
        "adain, classes",
        "adain, growing",
        "demodulated, alpha, classes",
        "demodulated, resnet",
        "demodulated, no noise",
        "alias-free, t",
        "alias-free, r",
    ],
)
def test_torch_alone_draws_any_number_of_pictures(kind: str, tmp_path: Path) -> None:
    generator = generator_of_kind(kind)
    path = tmp_path / "whole.pt2"
    facts = facts_of(generator, {"licence": "CC0"}, {})
    exported = export_programs(generator, path, facts)
    assert exported.agreement.largest < 2
    assert exported.files == {"whole.pt2": path.stat().st_size}
    assert b"wspace::" not in path.read_bytes(), "an operator that torch lacks"
    sizes = (generator.num_ws, generator.z_dim, generator.num_classes)
    words = [sys.executable, "-W", "ignore", "-c", ALONE, path, *sizes]
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["metadata"] == {"licence": "CC0"}
    for batch in (1, 5):
        z = torch.from_numpy(np.random.RandomState(0).randn(batch, generator.z_dim)).float()
        c = None
        if generator.num_classes:
            c = torch.eye(generator.num_classes)[torch.arange(batch) % generator.num_classes]
        expected = generator.synthesis(generator.mapping(z, c, psi=0.7))
        made = np.load(f"{path}.{batch}.npz")
        np.testing.assert_allclose(made["image"], expected, rtol=1e-3, atol=1e-3)
        assert made["picture"].shape == (batch, *generator.size, generator.image_channels)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_folder_holds_a_program_a_part(tmp_path: Path) -> None:
    generator = generator_of_kind("adain")
    exported = export_programs(generator, tmp_path / "model", facts_of(generator, {}, {}))
    names = {"mapping.pt2", "synthesis.pt2", "whole.pt2", "defaults.pt2", "model.json"}
    assert {path.name for path in (tmp_path / "model").iterdir()} == names
    assert exported.agreement.pictures == 24
    assert exported.agreement.largest < 2


def test_what_lies_there_stays(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("mine")
    generator = generator_of_kind("adain")
    with pytest.raises(WspaceError, match="is there already"):
        export_programs(generator, tmp_path / "model", facts_of(generator, {}, {}))
    assert (tmp_path / "model").read_text() == "mine"

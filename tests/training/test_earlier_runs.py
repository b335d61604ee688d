"""Runs of earlier versions go on, and end in the weights that those versions came to.

The runs in ``tests/fixtures/earlier`` were made on a CPU with AVX-512, one thread, torch 2.13; on
another machine last bits differ.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from wspace.machine import cpu_capability
from wspace.networks.config import EncoderConfig
from wspace.training import loop
from wspace.training.run.checkpoint import load_checkpoint

EARLIER = Path(__file__).parents[1] / "fixtures" / "earlier"


@pytest.fixture(autouse=True)
def small_networks_of_training(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The runs were made with an encoder and a flow of a few thousand weights, to be kept here."""
    small = EncoderConfig(first_width=8, max_width=8, hidden_dim=8)
    monkeypatch.setattr("wspace.networks.encoder.USUAL", small)
    monkeypatch.setattr("wspace.networks.flow._WIDTH", 8)
    monkeypatch.setattr("wspace.networks.flow._BLOCKS", 1)
    monkeypatch.setattr("wspace.training.stages.flow_pairs.PAIRS", 64)
    monkeypatch.setattr("wspace.training.stages.flow_pairs.NEW_PAIRS", 16)
    monkeypatch.setattr("wspace.training.stages.matching.NEW_PAIRS", 16)
    monkeypatch.setattr("wspace.training.stages.autoencoder.COMPARED", 16)
    monkeypatch.setattr("wspace.training.stages.autoencoder.MEMORY", 64)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("name", "checkpoint"),
    [
        ("stages", "kimg-000000.008"),  # within reconstruction
        ("stages", "kimg-000000.024"),  # within matching
        ("stages", "kimg-000000.040"),  # against the discriminator
        ("classes", "kimg-000000.008"),  # StyleGAN2 with classes and path lengths
    ],
)
def test_an_earlier_run_goes_on_to_the_same_weights(
    name: str, checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(EARLIER / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)  # the runs name their data as seen from there
    checkpoints = Path(name, "run", "checkpoints")
    for path in checkpoints.iterdir():
        if path.name != checkpoint:
            shutil.rmtree(path)
    made_with = load_checkpoint(checkpoints / checkpoint)["machine"]
    run = Path(name, "run")
    # what such small runs were made with was no part of the configuration then
    config = json.loads((run / "config.json").read_text()) | {"matching.compared": 16}
    (run / "config.json").write_text(json.dumps(config))
    assert loop.resume(run).reason == "done"
    expected = load_file(EARLIER / name / "end.safetensors")
    found = load_file(run / "model.safetensors")
    # those versions kept no encoder
    assert [key for key in found if not key.startswith("encoder.")] == list(expected)
    here = {"torch": str(torch.__version__), "instructions": cpu_capability(), "threads": 1}
    for key, tensor in expected.items():
        if here == made_with:
            assert torch.equal(found[key], tensor), key
        else:
            # Adam makes steps of what is rounding alone, as for a bias that a norm
            # follows: a rate of 0.002 for some steps, in the direction a machine rounds
            atol = 0.02 if key.endswith("layers.0.bias") else 1e-3
            torch.testing.assert_close(found[key], tensor, rtol=1e-2, atol=atol, msg=key)
    assert os.listdir(run / "checkpoints")

"""The judge: what it learns, what it admits not to see, and how it is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from labelled_pictures import write_shades
from PIL import Image
from small_pictures import write_pictures

from wspace.data.dataset import Dataset
from wspace.data.writer import png_bytes, write_dataset
from wspace.errors import WspaceError
from wspace.metrics import judge as judges
from wspace.metrics.judge import Classifier, Judging, judging_of, learn_judge, truth_of


@pytest.fixture(scope="module", autouse=True)
def _quickly() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judges, "SEEN", 12 * judges.BATCH)
        yield


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("data") / "described.zip"
    return Dataset.open(write_shades(path, 120, attributes=True))


@pytest.fixture(scope="module")
def judging(described: Dataset) -> Judging:
    return judging_of(described)


def test_it_tells_what_pictures_show_and_admits_what_they_do_not(judging: Judging) -> None:
    assert set(judging.clear) == {"shade", "colour"}
    assert set(judging.judge.values) == {"shade", "colour", "luck"}
    assert judging.accuracy["shade"] > 0.95
    assert judging.commonest["shade"] == pytest.approx(2 / 3, abs=0.15)


def test_it_is_held_against_pictures_that_it_did_not_learn_from(
    described: Dataset, judging: Judging
) -> None:
    learned = judges.dataset_indices(described, 60)
    assert sorted([*learned, *judging.indices]) == list(range(120))
    assert len(judging.real.decisions) == 60
    truth = truth_of(described, ("shade",))
    assert truth is not None
    assert truth.values == {"shade": ("bright", "dark")}
    right = torch.from_numpy(truth.codes[judging.indices, 0])
    found = judging.decisions(judging.real, "shade")
    assert (found == right).double().mean() == judging.accuracy["shade"]


def test_it_may_learn_from_other_pictures_of_the_same_kinds(
    described: Dataset, tmp_path: Path
) -> None:
    other = Dataset.open(write_shades(tmp_path / "other.zip", 90, seed=1, attributes=True))
    found = judging_of(described, other)
    assert len(found.indices) == 120
    assert "shade" in found.clear
    classes = Dataset.open(write_shades(tmp_path / "classes.zip", 60))
    with pytest.raises(WspaceError, match="does not say of its pictures what the data says"):
        judging_of(described, classes)


def test_classes_are_learned_where_there_are_no_attributes(tmp_path: Path) -> None:
    data = Dataset.open(write_shades(tmp_path / "classes.zip", 60))
    judge = learn_judge(data)
    assert judge.values == {"class": ("dark", "bright")}
    found = judge.look(data.images(range(60)))
    assert found.decisions[:, 0].tolist() == list(data.labels)
    assert found.features.shape == (60, 128)
    assert found.sureness.min() >= 0.5


def test_attributes_that_tell_the_same_count_once(tmp_path: Path) -> None:
    with write_dataset(tmp_path / "data.zip") as writer:
        names = [writer.add(png_bytes(Image.new("RGB", (8, 8), (40 * k, 0, 0)))) for k in range(4)]
        hats = ["none", "tall", "none", "flat"]
        turns = {"none": None, "tall": 3, "flat": 7}
        described = {
            name: {"hat": hat, "turn": turns[hat], "worn": hat != "none"}
            for name, hat in zip(names, hats, strict=True)
        }
        writer.finish({"labels": None, "attributes": described})
    data = Dataset.open(tmp_path / "data.zip")
    found = truth_of(data)
    assert found is not None
    assert list(found.values) == ["hat", "worn"]
    asked = truth_of(data, ("turn",))
    assert asked is not None
    assert list(asked.values) == ["turn"]


def test_a_judge_is_kept_by_what_it_learned(tmp_path: Path, described: Dataset) -> None:
    cache = tmp_path / "cache"
    first = learn_judge(described, cache=cache)
    (entry,) = cache.glob("judge-*.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(judges, "_train")
        assert learn_judge(described, cache=cache).id == first.id
    entry.write_bytes(entry.read_bytes()[:-9])  # damaged: it is trained anew
    assert learn_judge(described, cache=cache).id == first.id
    some = learn_judge(described, cache=cache, indices=np.arange(100))
    assert some.id != first.id
    assert len(list(cache.glob("judge-*"))) == 2


def test_large_pictures_are_averaged_down_and_alpha_has_a_channel() -> None:
    network = Classifier(256, 128, 3, (2, 3)).eval()
    assert network.shrunk == 4
    features, logits = network(torch.zeros(2, 1, 256, 128, dtype=torch.uint8))
    assert features.shape == (2, 128)
    assert [one.shape for one in logits] == [(2, 2), (2, 3)]
    for height, width in ((8, 8), (64, 64), (48, 8), (1024, 96)):
        pixels = torch.zeros(2, 3, height, width, dtype=torch.uint8)
        assert Classifier(height, width, 3, (2,)).eval()(pixels)[0].shape == (2, 128)
    alpha = Classifier(16, 16, 4, (2,)).eval()
    opaque = torch.full((2, 4, 16, 16), 255, dtype=torch.uint8)
    for channels in (1, 3):
        assert torch.equal(alpha(opaque)[0], alpha(opaque[:, :channels])[0])


def test_data_without_labels_has_no_judge(tmp_path: Path) -> None:
    plain = Dataset.open(write_pictures(tmp_path / "plain", count=4))
    with pytest.raises(WspaceError, match="says nothing of its pictures: a judge needs"):
        judging_of(plain)
    with pytest.raises(WspaceError, match="neither classes nor attributes"):
        learn_judge(plain)


def test_what_cannot_be_seen_at_all_is_said(tmp_path: Path) -> None:
    noise = Dataset.open(write_shades(tmp_path / "noise.zip", 40, attributes=True))
    with pytest.raises(WspaceError, match="cannot tell luck from the pictures"):
        _only_luck(noise)


def _only_luck(data: Dataset) -> None:
    with pytest.MonkeyPatch.context() as patch:
        whole = truth_of
        patch.setattr(judges, "truth_of", lambda d, k=None: whole(d, ("luck",)))
        judging_of(data)


def test_an_attribute_that_the_data_lacks_is_named(described: Dataset) -> None:
    with pytest.raises(WspaceError, match="has no attribute 'hat': give some of colour, luck"):
        truth_of(described, ("hat",))


def test_pooling_before_the_activation_sees_the_same_as_after() -> None:
    network = Classifier(64, 64, 3, (2,)).eval()
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    maps = images
    for block in network.body:
        if isinstance(block, torch.nn.Conv2d):
            maps = block(maps)
        elif isinstance(block, torch.nn.BatchNorm2d):
            maps = torch.nn.functional.max_pool2d(block(maps).relu(), 2, ceil_mode=True)
        elif isinstance(block, torch.nn.Linear):
            maps = block(maps.flatten(start_dim=1)).relu()
    features, _ = network.seen(images)
    assert torch.equal(features, maps)
    assert 0.05 < float((features > 0).double().mean()) < 0.95

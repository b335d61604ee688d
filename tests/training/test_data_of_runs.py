"""What a run makes of its data's labels, and how it knows the data again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tiny_run import BATCH, make_config, make_data, make_model, newest

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.training import loop
from wspace.training.run.folder import read_config

STEPS = 2


def labelled(folder: Path, labels: Any, **content: Any) -> Path:
    """Ten pictures with labels."""
    data = make_data(folder / "data")
    (data / "dataset.json").write_text(json.dumps({"labels": labels, **content}))
    return data


def whole_labels(*classes: int) -> list[list[Any]]:
    return [[f"{i:02}.png", classes[i % len(classes)]] for i in range(10)]


def start(folder: Path, **changes: Any) -> Path:
    messages: list[str] = []
    config = make_config(folder, steps=STEPS, **changes)
    outcome = loop.start(config, folder / "runs", lambda p: messages.append(p.message or ""))
    (folder / "messages").write_text("\n".join(messages))
    return outcome.run


def go_on(run: Path) -> loop.Outcome:
    return loop.resume(run, total_kimg=newest(run)["state"]["seen_images"] / 1000 + BATCH / 1000)


@pytest.fixture
def folder_of_large_files(tmp_path: Path) -> Path:
    """Pictures that go on for long after their last pixel."""
    data = make_data(tmp_path / "data")
    for path in data.iterdir():
        path.write_bytes(path.read_bytes() + bytes(20_000))
    return data


def change_last_byte(path: Path) -> None:
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_change_far_into_a_file_ends_a_resume(folder_of_large_files: Path) -> None:
    run = start(folder_of_large_files.parent)
    change_last_byte(folder_of_large_files / "05.png")
    with pytest.raises(WspaceError, match="is not the data that"):
        go_on(run)
    change_last_byte(folder_of_large_files / "05.png")
    assert go_on(run).reason == "done"


def test_a_run_that_recorded_less_goes_on_and_records_all(folder_of_large_files: Path) -> None:
    run = start(folder_of_large_files.parent)
    data = Dataset.open(folder_of_large_files)
    config = read_config(run)
    assert config["fingerprint"] == data.fingerprint
    (run / "config.json").write_text(json.dumps(config | {"fingerprint": data.earlier_fingerprint}))
    assert data.earlier_fingerprint != data.fingerprint
    assert go_on(run).reason == "done"
    assert read_config(run)["fingerprint"] == data.fingerprint
    change_last_byte(folder_of_large_files / "05.png")
    with pytest.raises(WspaceError, match="is not the data that"):
        go_on(run)


def test_a_run_that_numbered_classes_with_gaps_goes_on_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = labelled(tmp_path, whole_labels(1, 2))
    three = str(make_model(tmp_path / "three.safetensors", num_classes=3))
    opened = Dataset.open

    def as_before(*arguments: Any, **options: Any) -> Dataset:
        dataset = opened(*arguments, **options)
        dataset.keep_class_numbers()
        return dataset

    with monkeypatch.context() as before:
        before.setattr(Dataset, "open", as_before)
        run = start(tmp_path, start_from=three, labels=True)
        fingerprint = Dataset.open(data).earlier_fingerprint
    config = read_config(run)
    (run / "config.json").write_text(json.dumps(config | {"fingerprint": fingerprint}))
    for _ in range(2):
        assert go_on(run).reason == "done"
    assert newest(run)["networks"][0]["num_classes"] == 3


def test_labels_that_are_no_classes_stop_a_run_that_wants_them_and_no_other(
    tmp_path: Path,
) -> None:
    labelled(tmp_path, [["00.png", 0], ["01.png", 1], ["00.png", 1]])
    for labels in (None, True):
        with pytest.raises(WspaceError, match=r"00\.png has two labels, 0 and 1.*--no-labels"):
            start(tmp_path, labels=labels)
    assert not (tmp_path / "runs").exists()
    assert newest(start(tmp_path, labels=False))["networks"][0]["num_classes"] == 0


def test_a_run_with_classes_says_which(tmp_path: Path) -> None:
    labelled(tmp_path, whole_labels(2, 5), classes=["", "", "boot", "", "", "coat"])
    run = start(tmp_path, start_from=None, preset="small")
    assert newest(run)["networks"][0]["num_classes"] == 2
    said = (tmp_path / "messages").read_text()
    assert (
        "class  name  pictures\n"
        "    0  boot         5\n"
        "    1  coat         5\n"
        "the model tells these classes apart; with --no-labels it does not\n"
    ) in said
    start(tmp_path, labels=False)
    assert "classes apart" not in (tmp_path / "messages").read_text()


def test_a_description_that_is_not_used_is_told_of(tmp_path: Path) -> None:
    labelled(tmp_path, None)
    (tmp_path / "data/old").mkdir()
    (tmp_path / "data/old/dataset.json").write_text("{}")
    start(tmp_path)
    assert "old/dataset.json is not used: dataset.json is." in (tmp_path / "messages").read_text()
    facts = loop.check(make_config(tmp_path))
    assert "old/dataset.json is not used" in facts["the data"]

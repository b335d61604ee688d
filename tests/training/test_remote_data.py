"""Runs on data at an address: nothing secret is recorded, and they go on without a network."""

from __future__ import annotations

import base64
import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_web import SmallWeb, small_web
from tiny_run import BATCH, make_config, make_data, newest

from wspace.data.remote import fetch
from wspace.errors import WspaceError
from wspace.training import loop
from wspace.training.run.folder import read_config


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWeb]:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "WAIT_SECONDS", 0.001)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(make_data(tmp_path / "data").iterdir()):
            archive.write(path, path.name)
    with small_web() as web:
        web.files["/faces.zip"] = buffer.getvalue()
        web.password = "Basic " + base64.b64encode(b"anna:hunter2").decode()
        yield web


def test_a_run_on_an_address(web: SmallWeb, tmp_path: Path) -> None:
    address = web.url.replace("://", "://anna:hunter2@") + "/faces.zip?X-Signature=geheim"
    messages: list[str] = []

    def report(progress: loop.Progress) -> None:
        messages.append(progress.message or "")

    config = make_config(tmp_path, steps=2).replace(data=address)
    checked = loop.check(config, report)
    run = loop.start(config, tmp_path / "runs", report).run
    recorded = read_config(run)["data"]
    assert recorded.startswith(f"{web.url}/faces.zip#sha256=")
    assert (run / "command.txt").read_text().startswith(f"wspace train {web.url}/faces.zip ")
    kept = "".join(messages) + str(checked)
    for path in run.rglob("*"):
        if path.is_file():
            kept += path.read_bytes().decode("latin-1")
    assert "faces" in kept
    assert "hunter" not in kept
    assert "geheim" not in kept

    def go_on(**changes: object) -> str:
        seen = newest(run)["state"]["seen_images"]
        return loop.resume(run, report, total_kimg=(seen + BATCH) / 1000, **changes).reason

    web.status = 503
    web.asked.clear()
    assert go_on() == "done"
    assert web.asked == []  # by what it holds, which is kept
    shutil.rmtree(tmp_path / "cache")
    web.status = 0
    with pytest.raises(WspaceError, match=r"cannot be fetched \(the far side answers 401\)"):
        go_on()
    assert go_on(data=address) == "done"
    assert read_config(run)["data"] == recorded
    assert "hunter" not in (run / "config.json").read_text()

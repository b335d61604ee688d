"""Where the runtime comes from; it is used only where it is the one that is known."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from static_site import StaticSite

from wspace.errors import WspaceError
from wspace.explorer import runtime as module
from wspace.explorer.runtime import FILES, INTEGRITY, PACKAGE, VERSION, find_runtime

CONTENTS = {name: f"{name} made small".encode() for name in FILES}


def package_of(contents: dict[str, bytes]) -> bytes:
    """A package as the registry has it."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as made:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StaticSite]:
    """A small package in the place of the real one, which is fetched from loopback."""
    folder = tmp_path / "registry"
    folder.mkdir()
    package = package_of(CONTENTS)
    (folder / "package.tgz").write_bytes(package)
    digest = base64.b64encode(hashlib.sha512(package).digest()).decode()
    known = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    server = StaticSite(folder)
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "ADDRESS", f"{server.address}package.tgz")
    monkeypatch.setattr(module, "INTEGRITY", digest)
    monkeypatch.setattr(module, "FILES", known)
    yield server
    server.end()


def test_it_is_fetched_once_and_kept(registry: StaticSite) -> None:
    said: list[str] = []
    assert find_runtime(None, told=said.append) == CONTENTS
    assert find_runtime(None, told=said.append) == CONTENTS
    assert len(registry.sent) == 1
    assert said == [f"fetching {PACKAGE} {VERSION}, 33 MB, this once"]


def test_what_is_kept_and_damaged_is_fetched_again(registry: StaticSite, tmp_path: Path) -> None:
    find_runtime(None)
    (kept,) = (tmp_path / "cache").iterdir()
    (kept / next(iter(FILES))).write_bytes(b"damaged")
    assert find_runtime(None) == CONTENTS
    assert len(registry.sent) == 2


def test_another_package_is_not_used(
    registry: StaticSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTEGRITY", INTEGRITY)
    with pytest.raises(WspaceError, match=r"not onnxruntime-web .* as its makers published it"):
        find_runtime(None)
    assert not list((tmp_path / "cache").glob("*"))


def test_without_a_network_a_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = StaticSite(tmp_path)
    server.end()
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "ADDRESS", f"{server.address}package.tgz")
    with pytest.raises(WspaceError, match=r"does not come .*: without a network, give --runtime"):
        find_runtime(None)


def test_folders_and_packages_of_npm_will_do(registry: StaticSite, tmp_path: Path) -> None:
    folder = tmp_path / "node_modules" / PACKAGE
    (folder / "dist").mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / "dist" / name).write_bytes(content)
    assert find_runtime(folder) == CONTENTS
    assert find_runtime(folder / "dist") == CONTENTS
    assert find_runtime(tmp_path / "registry/package.tgz") == CONTENTS
    assert registry.sent == []


def test_a_folder_without_it_and_another_version_are_refused(
    registry: StaticSite, tmp_path: Path
) -> None:
    with pytest.raises(WspaceError, match="holds no onnxruntime-web: give the folder that `npm"):
        find_runtime(tmp_path)
    for name in FILES:
        (tmp_path / name).write_bytes(b"of another version")
    with pytest.raises(WspaceError, match=f"is not that of {PACKAGE} {VERSION}"):
        find_runtime(tmp_path)


def test_the_page_is_tested_with_the_same_package() -> None:
    lock = Path(__file__).parents[1] / "studio/package-lock.json"
    locked = json.loads(lock.read_text())["packages"][f"node_modules/{PACKAGE}"]
    assert (locked["version"], locked["integrity"]) == (VERSION, f"sha512-{INTEGRITY}")

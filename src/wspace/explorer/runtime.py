"""ONNX Runtime Web, which runs a model's graphs in a browser: one version, known by its digests.

It is made by Microsoft and others under the MIT licence and is no part of wspace: it comes from a
folder that somebody names, from what an earlier call has kept, or once from the package registry
that its makers publish it in.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from wspace.errors import WspaceError
from wspace.files import atomic_folder, cache_root, read_limited

__all__ = ["LICENCE", "PACKAGE", "Runtime", "find_runtime"]

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
ADDRESS = f"https://registry.npmjs.org/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"
# as the registry gives it, and as a package-lock.json has it
INTEGRITY = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
MAX_BYTES = 40 * 2**20  # of the package
MAX_FILE_BYTES = 32 * 2**20
WAIT_SECONDS = 60.0
# The builds for processors, and for graphics cards, which waits for them by JavaScript promises.
FILES: Mapping[str, str] = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
    "ort.jspi.bundle.min.mjs": "07ec090355e11b342c95436db54da2d0c2bd5b1d319745bfd3337e6bdcf170ac",
    "ort-wasm-simd-threaded.jspi.wasm": (
        "a54c76f86b0f0d9572380cf1c6292a7b3903716ffcbcd6b0e5c7050bf430eb93"
    ),
}
LICENCE = f"""{PACKAGE} {VERSION}, https://onnxruntime.ai

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


class Runtime(dict[str, bytes]):
    """The runtime's files by name, each of them as its digest says."""

    version = VERSION


def find_runtime(given: Path | None, *, told: Callable[[str], None] = lambda line: None) -> Runtime:
    """The runtime from where it is to be had.

    Args:
        given: the package's folder, such as node_modules/onnxruntime-web, or its .tgz; None: what
            an earlier call has kept, else it is fetched, once.
        told: is told in a line what takes long.

    Raises:
        WspaceError: it is not there, is another version, or cannot be fetched.
    """
    if given is not None:
        return _of_package(_read_package(given)) if given.is_file() else _of_folder(given)
    root = cache_root()
    kept = None if root is None else root / f"{PACKAGE}-{VERSION}"
    if kept is not None and kept.is_dir():
        with contextlib.suppress(WspaceError):  # damaged: once more
            return _of_folder(kept)
    told(f"fetching {PACKAGE} {VERSION}, 33 MB, this once")
    runtime = _of_package(_fetched())
    if kept is not None and not kept.exists():
        with contextlib.suppress(WspaceError), atomic_folder(kept) as folder:
            for name, content in runtime.items():
                (folder / name).write_bytes(content)
    return runtime


def _of_folder(folder: Path) -> Runtime:
    inner = folder / "dist"
    place = inner if inner.is_dir() else folder
    if not any((place / name).is_file() for name in FILES):
        raise WspaceError(
            f"{folder} holds no {PACKAGE}: give the folder that `npm install {PACKAGE}@{VERSION}` "
            f"makes, such as node_modules/{PACKAGE}."
        )
    return _checked({name: read_limited(place / name, MAX_FILE_BYTES) for name in FILES})


def _read_package(path: Path) -> bytes:
    return read_limited(path, MAX_BYTES, large=f"it is no {PACKAGE} {VERSION}")


def _fetched() -> bytes:
    """The package, from the registry.

    Raises:
        WspaceError: it does not come, or something else does.
    """
    otherwise = f"without a network, give --runtime FOLDER, as `npm install {PACKAGE}@{VERSION}`"
    try:
        with urllib.request.urlopen(ADDRESS, timeout=WAIT_SECONDS) as answer:
            content = bytes(answer.read(MAX_BYTES + 1))
    except (urllib.error.URLError, OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise WspaceError(
            f"{PACKAGE} {VERSION} does not come ({why}): {otherwise} makes it."
        ) from None
    return content


def _of_package(content: bytes) -> Runtime:
    """The files of a package, once it is known to be the one.

    Raises:
        WspaceError: it is another one.
    """
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if digest != INTEGRITY:
        raise WspaceError(
            f"this is not {PACKAGE} {VERSION} as its makers published it (sha512 {digest[:16]}...)"
            ": nothing of it was used."
        )
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as package:
        for name in FILES:
            file = package.extractfile(f"package/dist/{name}")
            assert file is not None
            found[name] = file.read(MAX_FILE_BYTES)
    return _checked(found)


def _checked(files: Mapping[str, bytes]) -> Runtime:
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != FILES[name]:
            raise WspaceError(
                f"{name} is not that of {PACKAGE} {VERSION}: give that version, as `npm install "
                f"{PACKAGE}@{VERSION}` puts it into node_modules."
            )
    return Runtime(files)

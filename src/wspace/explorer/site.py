"""The explorer as files of a static site, or as one file."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wspace.explorer.bundle import bundled, plain_script
from wspace.explorer.models import PARTS, PageModel
from wspace.explorer.runtime import LICENCE, Runtime
from wspace.files import atomic_folder, atomic_write_bytes, check_absent

__all__ = ["Site", "one_file", "site", "write_folder", "write_one_file"]

_OWN = Path(str(resources.files("wspace"))) / "explorer" / "page"
_SHARED = Path(str(resources.files("wspace"))) / "studio" / "page"
_POLICY = (
    "default-src 'none'; script-src {scripts} 'wasm-unsafe-eval'; style-src {styles}; "
    "img-src 'self' blob: data:; connect-src {connect}; worker-src {workers}; base-uri 'none'; "
    "form-action 'none'"
)
_PARTS_OF_RUNTIME = {
    "wasm": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.jspi.bundle.min.mjs", "ort-wasm-simd-threaded.jspi.wasm"),
}
# what a visit loads before it knows which model and which runtime
_FIRST = (
    "index.html", "start.js", "theme.js", "explorer.js", "worker.js", "studio.css", "icon.svg",
    "contents.json",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Site:
    """The files of a site.

    Attributes:
        files: their contents by path.
        loads: bytes that a visit loads, by model: all that it needs to draw with that one, by the
            processor.
    """

    files: dict[str, bytes]
    loads: dict[str, int]


@dataclass(frozen=True)
class _Packed:
    """A file that is packed by gzip; ``path`` tells its content from others'."""

    path: str
    content: bytes
    unpacked: int

    @classmethod
    def of(cls, stem: str, ending: str, content: bytes) -> _Packed:
        digest = hashlib.sha256(content).hexdigest()[:8]
        packed = gzip.compress(content, compresslevel=9, mtime=0)
        return cls(f"{stem}-{digest}{ending}.gz", packed, len(content))

    def described(self) -> dict[str, Any]:
        return {"path": self.path, "bytes": len(self.content), "unpacked": self.unpacked}


def site(models: Sequence[PageModel], runtime: Runtime) -> Site:
    """The explorer as a folder of files, for any static host and under any path."""
    policy = _POLICY.format(scripts="'self'", styles="'self'", connect="'self'", workers="'self'")
    packed = [_packed_graphs(model) for model in models]
    binaries = {
        kind: _Packed.of(f"runtime/{Path(binary).stem}", ".wasm", runtime[binary])
        for kind, (_, binary) in _PARTS_OF_RUNTIME.items()
    }
    scripts = {kind: f"runtime/{script}" for kind, (script, _) in _PARTS_OF_RUNTIME.items()}
    parts = {
        kind: {"script": scripts[kind], "binary": binaries[kind].described()} for kind in scripts
    }
    head = (
        '<link rel="icon" href="icon.svg" type="image/svg+xml" />\n'
        '    <script src="theme.js"></script>\n'
        '    <link rel="stylesheet" href="studio.css" />\n'
        '    <script type="module" src="start.js"></script>'
    )
    first = {
        "index.html": _page(policy, head, "").encode(),
        "start.js": (_OWN / "start.js").read_bytes(),
        "theme.js": (_SHARED / "theme.js").read_bytes(),
        "explorer.js": bundled(_OWN / "main.js").encode(),
        "worker.js": bundled(_OWN / "worker.js").encode(),
        "studio.css": (_SHARED / "studio.css").read_bytes(),
        "icon.svg": (_SHARED / "icon.svg").read_bytes(),
        "contents.json": _contents(models, packed, runtime, parts).encode(),
    }
    assert tuple(first) == _FIRST
    later = {
        **{f"runtime/{script}": runtime[script] for script, _ in _PARTS_OF_RUNTIME.values()},
        **{one.path: one.content for one in binaries.values()},
        **{one.path: one.content for own in packed for one in own.values()},
    }
    kept = {"first": list(first), "later": list(later), "policy": policy}
    keeper = (_OWN / "service_worker.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(keeper.encode())
    for name, content in (first | later).items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    said = json.dumps({"version": digest.hexdigest()[:16], **kept})
    files = {
        **first,
        **later,
        "service_worker.js": f"self.explorer = {said};\n{keeper}".encode(),
        "LICENSES.txt": _licences().encode(),
    }
    always = sum(map(len, first.values())) + len(files["service_worker.js"])
    always += len(runtime[_PARTS_OF_RUNTIME["wasm"][0]]) + len(binaries["wasm"].content)
    loads = {
        model.name: always + sum(len(one.content) for one in own.values())
        for model, own in zip(models, packed, strict=True)
    }
    return Site(files=files, loads=loads)


def one_file(models: Sequence[PageModel], runtime: Runtime) -> bytes:
    """The explorer as one HTML file that fetches nothing, so that it opens from a disk or a mail.

    It draws by the processor, in one thread: browsers give no more to such a file.
    """
    packed = [_packed_graphs(model) for model in models]
    script, name = _PARTS_OF_RUNTIME["wasm"]
    binary = _Packed.of(Path(name).stem, ".wasm", runtime[name])
    parts = {"wasm": {"script": "", "binary": binary.described()}, "webgpu": None}
    worker = f"{plain_script(runtime[script].decode(), 'ort')}\n{bundled(_OWN / 'worker.js')}"
    theme = _inline((_SHARED / "theme.js").read_text(encoding="utf-8"))
    main = _inline(bundled(_OWN / "main.js"))
    style = (_SHARED / "studio.css").read_text(encoding="utf-8")
    policy = _POLICY.format(
        scripts=f"{_hash(theme)} {_hash(main)}",
        styles=_hash(style),
        connect="'none'",
        workers="blob:",
    )
    icon = base64.b64encode((_SHARED / "icon.svg").read_bytes()).decode()
    head = (
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}" />\n'
        f"    <script>{theme}</script>\n    <style>{style}</style>"
    )
    texts = {
        "LICENSES.txt": _licences().replace("<", "&lt;"),
        "contents.json": _contents(models, packed, runtime, parts).replace("<", "\\u003c"),
        "worker.js": base64.b64encode(worker.encode()).decode(),
        binary.path: base64.b64encode(binary.content).decode(),
        **{
            one.path: base64.b64encode(one.content).decode()
            for own in packed
            for one in own.values()
        },
    }
    held = [
        f'<script type="text/plain" id="{path}">{text}</script>' for path, text in texts.items()
    ]
    body = "\n".join([*held, f'<script type="module">{main}</script>'])
    page = _page(policy, head, body).replace("<html ", '<html data-files="inside" ', 1)
    return page.encode()


def write_folder(out: Path, made: Site) -> None:
    """Write a site into a folder that is not there yet, whole or not at all.

    Raises:
        WspaceError: something lies there already, or it cannot be written.
    """
    with atomic_folder(out) as folder:
        for path, content in made.files.items():
            atomic_write_bytes(folder / path, content)


def write_one_file(out: Path, content: bytes) -> None:
    """Write a page where nothing lies yet, whole or not at all; raises as `write_folder`."""
    check_absent(out)
    atomic_write_bytes(out, content)


def _packed_graphs(model: PageModel) -> dict[str, _Packed]:
    return {
        part: _Packed.of(f"models/{model.name}", f".{part}.onnx", model.graphs[part])
        for part in PARTS
    }


def _contents(
    models: Sequence[PageModel],
    packed: Sequence[Mapping[str, _Packed]],
    runtime: Runtime,
    parts: Mapping[str, Any],
) -> str:
    """What the page is told, as JSON."""
    described = [
        model.described | {"graphs": {part: one.described() for part, one in own.items()}}
        for model, own in zip(models, packed, strict=True)
    ]
    said = {
        "version": version("wspace"),
        "runtime": {"version": runtime.version, **parts},
        "models": described,
    }
    return json.dumps(said, allow_nan=False)


def _page(policy: str, head: str, body: str) -> str:
    page = (_OWN / "index.html").read_text(encoding="utf-8")
    for name, text in (("policy", policy), ("head", head), ("body", body)):
        page = page.replace(f"{{{name}}}", text, 1)
    return page


def _inline(script: str) -> str:
    """A script that may stand in a page: what would end it there is only ever in strings."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hash(text: str) -> str:
    """As a content security policy names a text that stands in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _licences() -> str:
    """The licences of what others wrote."""
    vendor = sorted((_SHARED / "vendor").glob("*.LICENSE"))
    texts = [f"{path.stem}\n\n{path.read_text(encoding='utf-8')}" for path in vendor]
    return "\n\n".join([LICENCE, *texts])

"""What documents show is run: the blocks below a comment that says so, from each page's top on.

`<!-- run -->` above a block runs it (`make test-docs`), `<!-- run slowly -->` where there is time
for it (`make slow`). `with OPTIONS` behind either adds these to each command that knows them, which
makes it shorter. A page's commands share a folder with the files of `stand_ins`.
"""

from __future__ import annotations

import importlib
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import documents
import pytest
from PIL import Image, ImageDraw
from tiny_clip import write_clip

from wspace.cli.main import COMMANDS
from wspace.formats.model_file import bundled_models

MARKED = {
    page: [block.how for block in documents.blocks(page) if block.how is not None]
    for page in documents.pages()
}
QUICK = [page for page, how in MARKED.items() if any(not h.startswith("slowly") for h in how)]
SLOW = [page for page, how in MARKED.items() if any(h.startswith("slowly") for h in how)]
PICTURES = 120  # of 100 and more, training measures itself


@pytest.mark.documents
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", QUICK)
def test_what_a_page_shows_works(page: str, run_wspace: Any, use_cwd: Any) -> None:
    run_page(page, run_wspace, slowly=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", SLOW)
def test_what_takes_long_works_too(page: str, run_wspace: Any, use_cwd: Any) -> None:
    run_page(page, run_wspace, slowly=True)


@pytest.fixture
def use_cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with the files that pages speak of, and a cache of its own."""
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    stand_ins(folder)


def stand_ins(folder: Path) -> None:
    """Files that a reader has: photographs, stickers, a model, a portrait, a mask, a CLIP."""
    for k in range(PICTURES):
        picture = Image.new("RGB", (90, 80), (k, 255 - k, 2 * k))
        ImageDraw.Draw(picture).ellipse((k % 40, k % 30, 60, 60), fill=(255 - 2 * k, k, 128))
        for name in ("photos/{}.jpg", "flowers/{}.jpg"):
            path = folder / name.format(k)
            path.parent.mkdir(exist_ok=True)
            picture.rotate(k).save(path)
        sticker = picture.convert("RGBA")
        sticker.putalpha(Image.new("L", sticker.size, 2 * k))
        (folder / "stickers").mkdir(exist_ok=True)
        sticker.save(folder / f"stickers/{k}.png")
    shutil.copy(bundled_models()["avatars"], folder / "my.safetensors")
    Image.new("RGB", (90, 80), "tan").save(folder / "portrait.jpg")
    Image.new("1", (64, 64), 1).save(folder / "mask.png")
    write_clip(folder / "clip-vit-base-patch32")


def run_page(page: str, run_wspace: Callable[..., Any], *, slowly: bool) -> None:
    """Run the blocks of a page that are marked, in their order."""
    for block in documents.blocks(page):
        if block.how is None or (block.how.startswith("slowly") and not slowly):
            continue
        where = f"{page}:{block.line}"
        if block.language == "python":
            exec(compile(block.text, where, "exec"), {"__name__": "__main__"})
            continue
        assert block.commands, f"{where} holds no command"
        options = shlex.split(block.how.removeprefix("slowly").strip().removeprefix("with"))
        for words in block.commands:
            assert words[0] == "wspace", f"{where}: {shlex.join(words)} is none of wspace's"
            ran = run_wspace(*words[1:], *known_options(words[1:], options))
            assert ran.status == 0, (where, shlex.join(words), ran.err)


def known_options(words: list[str], options: list[str]) -> list[str]:
    """Those of the options, each with its value, that the command has."""
    module = importlib.import_module(f"wspace.cli.{COMMANDS[words[0]][0]}")
    command: Any = getattr(module, f"{COMMANDS[words[0]][0].rstrip('_')}_command")
    command = command.commands[words[1]] if hasattr(command, "commands") else command
    known = {option for parameter in command.params for option in parameter.opts}
    pairs = zip(options[::2], options[1::2], strict=True)
    return [word for pair in pairs if pair[0] in known for word in pair]

"""``wspace generate``: files, sheets and refusals."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wspace.recipe.document import PictureDocument, SheetDocument
from wspace.recipe.png import read_document, read_pixels
from wspace.recipe.recipe import NoiseSettings

Run = Callable[..., Any]


def test_seeds_become_pictures_with_their_recipes(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    ran = run_wspace(
        "generate", tiny_model, "--seeds", "0-2,7", "--psi", "0.5@coarse,1@4-", "--cutoff", 3,
        "--noise", "seeded@0-1", "--noise-seed", 4, "--noise-strength", "2", "--out", tmp_path,
        "--batch-size", 2,
    )  # fmt: skip
    assert ran.status == 0
    paths = [tmp_path / f"seed000{seed}.png" for seed in (0, 1, 2, 7)]
    assert ran.out.split() == [str(path) for path in paths]
    document = read_document(paths[3])
    assert isinstance(document, PictureDocument)
    recipe = document.recipe
    assert recipe.sources[0].seed == 7
    assert recipe.psi == (0.5, 0.5, 0.5, 0.5, 1.0, 1.0)
    assert recipe.cutoff == 3
    modes = ("seeded", "seeded", "const", "const", "const", "const")
    assert recipe.noise == NoiseSettings(mode=modes, seed=4, strength=2.0)
    assert document.rendered_by.batch_size == 2


def test_without_seeds_there_are_sixteen_in_out(
    run_wspace: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_wspace("generate", tiny_model).status == 0
    assert len(list((tmp_path / "out").glob("seed00*.png"))) == 16


def test_grid_alone_writes_only_the_sheet(
    run_wspace: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_wspace(
        "generate", tiny_model, "--seeds", "1-4", "--psi", 0.7, "--grid", "g.png", "--sidecar",
        "--title", "Four", "--theme", "dark",
    )  # fmt: skip
    assert ran.status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.json", "g.png"]
    document = read_document(tmp_path / "g.png")
    assert isinstance(document, SheetDocument)
    assert (document.layout.title, document.layout.theme) == ("Four", "dark")
    assert document.layout.note == "psi 0.7; model tiny"
    ran = run_wspace("generate", tiny_model, "--seeds", 1, "--grid", "h.png", "--out", "both")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both", "g.json", "g.png", "h.png"]


# Ctrl-C may come between the opening of a file and its `with`.
left_open = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@contextlib.contextmanager
def interrupted_once(ready: Callable[[], bool]) -> Iterator[None]:
    """Ctrl-C while the block runs, as soon as ``ready``.

    Python loses one that comes while it clears up behind a weak reference; people press it again.
    """
    over = threading.Event()

    def watch() -> None:
        while not ready() and not over.wait(0.001):
            pass
        while not over.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            over.wait(2)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGINT, before)


@left_open
def test_interrupted_it_keeps_what_there_is_and_says_how_to_go_on(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    model = shutil.copy(tiny_model, tmp_path / "my model.safetensors")
    out = tmp_path / "my pictures"
    with interrupted_once(lambda: len(list(out.glob("seed*.png"))) >= 20):
        ran = run_wspace(
            "generate", model, "--seeds", "0-1999", "--psi", "0.5@coarse,1@4-", "--out", out,
            "--grid", tmp_path / "all.png", "--title", "All", "--sidecar", "--batch-size", 8,
        )  # fmt: skip
    assert ran.status == 130
    written = [Path(line) for line in ran.out.splitlines()]
    assert 19 <= len(written) < 2000  # the last may be there before it is counted
    assert written == [out / f"seed{seed:04d}.png" for seed in range(len(written))]
    said, command = ran.err.strip().split("; go on with: ")
    assert said == f"interrupted: {len(written)} of 2000 pictures are in {out}"
    words = shlex.split(command)
    assert words == [
        "wspace", "generate", str(model), "--seeds", f"{len(written)}-1999",
        "--psi", "0.5@coarse,1@4-", "--batch-size", "8", "--out", str(out), "--sidecar",
    ]  # fmt: skip
    assert not (tmp_path / "all.png").exists()
    words[words.index("--seeds") + 1] = f"{len(written)}-{len(written) + 2}"
    assert run_wspace(*words[1:]).status == 0
    assert (out / f"seed{len(written) + 2:04d}.json").is_file()


@left_open
def test_interrupted_before_the_first_picture_there_is_nothing_to_go_on_with(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    begun = time.monotonic()
    with interrupted_once(lambda: time.monotonic() > begun + 0.3):
        ran = run_wspace(
            "generate", tiny_model, "--seeds", "0-3999", "--grid", tmp_path / "all.png"
        )
    assert (ran.status, ran.out, ran.err.strip()) == (130, "", "wspace: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_of_too_many_is_refused_before_they_are_drawn(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    for seeds, says in (("0-19999", "20000 cells are outside 1 to 10000"), ("0-9999", "pixels")):
        ran = run_wspace(
            "generate", tiny_model, "--seeds", seeds, "--grid", tmp_path / "a.png",
            "--out", tmp_path / "out",
        )  # fmt: skip
        assert ran.status == 2
        assert says in ran.err
        assert list(tmp_path.iterdir()) == []
    ran = run_wspace(
        "mix", tiny_model, "--rows", "0-999", "--cols", "0-999", "--layers", "coarse",
        "--out", tmp_path / "a.png",
    )  # fmt: skip
    assert "1002001 cells are outside" in ran.err


def test_a_recipe_file_or_a_sidecar_makes_its_picture(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    run_wspace("generate", tiny_model, "--seeds", 3, "--out", tmp_path / "a", "--sidecar")
    sidecar = tmp_path / "a" / "seed0003.json"
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps({"version": 1, "sources": [{"seed": 3}]}))
    first = read_pixels(tmp_path / "a" / "seed0003.png")
    for i, file in enumerate((sidecar, bare)):
        folder = tmp_path / str(i)
        assert run_wspace("generate", tiny_model, "--recipe", file, "--out", folder).status == 0
        assert (read_pixels(folder / "seed0003.png") == first).all()


def test_a_recipe_of_another_model_is_refused(
    run_wspace: Run, tiny_model: Path, other_model: Path, tmp_path: Path
) -> None:
    run_wspace("generate", tiny_model, "--seeds", 3, "--out", tmp_path, "--sidecar")
    ran = run_wspace("generate", other_model, "--recipe", tmp_path / "seed0003.json")
    assert ran.status == 2
    assert "made with model tiny.safetensors" in ran.err


def test_the_mean_picture_is_that_of_psi_zero(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    run_wspace("generate", tiny_model, "--mean", "--out", tmp_path)
    run_wspace("generate", tiny_model, "--seeds", 9, "--psi", 0, "--out", tmp_path)
    same = read_pixels(tmp_path / "mean.png") == read_pixels(tmp_path / "seed0009.png")
    assert same.all()


def test_centres_pull_seeds_their_own_way(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    ran = run_wspace(
        "generate", tiny_model, "--seeds", "0-7", "--psi", 0, "--centres", 3, "--out", tmp_path
    )
    assert ran.status == 0
    pictures = {read_pixels(path).tobytes() for path in tmp_path.glob("*.png")}
    assert len(pictures) == 3


def test_a_psi_sheet_has_a_column_for_each_psi(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "psi.png"
    ran = run_wspace(
        "generate", tiny_model, "--seeds", "1,2", "--psi-sheet", "-1,0,1.5", "--grid", path
    )
    assert ran.out.strip() == str(path)
    document = read_document(path)
    assert isinstance(document, SheetDocument)
    assert [cell.recipes[0].psi for cell in document.cells] == [-1, 0, 1.5] * 2


def test_json_tells_files_recipes_and_what_rendered_them(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    ran = run_wspace("generate", tiny_model, "--seeds", "5", "--out", tmp_path, "--json")
    found = json.loads(ran.out)
    assert found["files"] == [str(tmp_path / "seed0005.png")]
    assert found["recipes"][0]["sources"] == [{"seed": 5}]
    assert found["rendered_by"]["batch_size"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--psi", "abc"], "psi 'abc' is no value"),
        (["--psi", "2"], "psi=2.0 is outside -1 to 1.5"),
        (["--seeds", "3-1"], "runs backwards"),
        (["--psi", "0.5@99"], "layer 99 does not exist"),
        (["--psi", "0.5@fine"], "'fine' are empty here"),
        (["--cutoff", "7"], "give 0 to 6"),
        (["--noise", "random"], "const, seeded, none"),
        (["--noise-seed", "x"], "no noise seed"),
        (["--noise-strength", "-1"], "outside 0 to 100"),
        (["--class", "1"], "no classes"),
        (["--centres", "500"], "outside 1 to 256"),
        (["--device", "tpu"], "device"),
        (["--recipe", "r.json", "--psi", "0.5"], "exclude each other"),
        (["--recipe", "r.json"], "cannot read r.json"),
        (["--mean", "--seeds", "1"], "exclude each other"),
        (["--psi-sheet", "a,b"], "give numbers"),
        (["--psi-sheet", "1", "--psi", "1"], "exclude each other"),
        (["--grid", "g.jpg"], "should end with .png"),
        (["--grid", "/dev/null/g.png"], "/dev/null is a file: choose another place"),
        (["--out", "/dev/null/out"], "/dev/null is a file: choose another place"),
        (["--title", "x"], "--grid"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(
    run_wspace: Run,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_wspace("generate", tiny_model, *arguments)
    assert ran.status == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_wrong_recipe_files_are_one_line(run_wspace: Run, tiny_model: Path, tmp_path: Path) -> None:
    run_wspace("generate", tiny_model, "--seeds", "1,2", "--grid", tmp_path / "g.png", "--sidecar")
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "large.json").write_bytes(b" " * (16 * 2**20 + 1))
    for name, says in (
        ("g.json", "give the recipe of one picture"),
        ("bad.json", "no valid JSON"),
        ("empty.json", "no version"),
        ("large.json", "that is no recipe"),
    ):
        ran = run_wspace("generate", tiny_model, "--recipe", tmp_path / name)
        assert (ran.status, ran.err.count("\n")) == (2, 1)
        assert says in ran.err


def test_help_answers_without_torch() -> None:
    for command in ("generate", "mix", "interpolate", "noise", "show", "reproduce", "models"):
        code = (
            "import sys\nfrom wspace.cli.main import main\n"
            f"try: main([{command!r}, '--help'])\n"
            "except SystemExit: sys.exit('torch' in sys.modules)"
        )
        start = time.monotonic()
        ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
        assert ran.returncode == 0
        assert b"Usage" in ran.stdout
        assert time.monotonic() - start < 5

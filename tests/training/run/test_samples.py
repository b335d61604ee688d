"""The sheets that a run draws."""

from __future__ import annotations

from pathlib import Path

from wspace.networks.generator import Generator
from wspace.recipe.document import SheetDocument
from wspace.recipe.png import read_document
from wspace.training.run.samples import SAMPLE_SEEDS, save_samples


def test_classes_have_columns_of_their_own(
    conditional_generator: Generator, tiny_generator: Generator, tmp_path: Path
) -> None:
    save_samples(conditional_generator, tmp_path / "classes.png")
    sheet = read_document(tmp_path / "classes.png")
    assert isinstance(sheet, SheetDocument)
    assert sheet.layout.columns == 6
    assert len(sheet.cells) == len(SAMPLE_SEEDS)
    shown = [cell.recipes[0].sources[0].class_index for cell in sheet.cells]
    assert shown == [place % 6 % 3 for place in range(len(shown))]
    save_samples(tiny_generator, tmp_path / "plain.png")
    sheet = read_document(tmp_path / "plain.png")
    assert isinstance(sheet, SheetDocument)
    assert sheet.layout.columns == 7  # about square

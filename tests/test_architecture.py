"""docs/architecture.md: it names every module, and its arrows are those of the imports."""

from __future__ import annotations

from pathlib import Path

import pytest
import source_map

ROOT = Path(__file__).parents[1]

DOCUMENT = """# Architecture

## Which folder imports which

| folder or module | may import |
| --- | --- |
| `errors.py`, `files.py` | |
| `ops` | |
| `networks` | `ops` |
| `recipes` | |
| `cli` | `networks`, `recipes` |
| `__init__.py` | `networks` |

## Where a concept lives

| concept | module |
| --- | --- |
| errors; files | `errors.py`, `files.py` |
| filters | `ops/fold.py` |

### Networks

| concept | module |
| --- | --- |
| truncation | `truncate` in `networks/net.py` |
| recipes | `recipes/recipe.py` |
| commands | `cli/main.py` |
| the public names | `__init__.py` |
"""
MODULES = {
    "__init__.py": "HOMES = {'Net': 'wspace.networks.net'}\n",
    "errors.py": "",
    "files.py": "from wspace.errors import WspaceError\n",
    "ops/__init__.py": '"""Operators."""\n',
    "ops/fold.py": "import torch\nfrom wspace.errors import WspaceError\n",
    "networks/net.py": "from wspace.ops import fold\n\n\ndef truncate(): ...\n",
    "recipes/recipe.py": "import json\nfrom wspace.errors import WspaceError\n",
    "cli/main.py": (
        "from typing import TYPE_CHECKING\n"
        "from wspace.recipes.recipe import Recipe\n"
        "if TYPE_CHECKING:\n    from torch import Tensor\n"
        "def main():\n    from wspace.networks.net import truncate\n"
    ),
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small checkout in which everything is right."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/architecture.md").write_text(DOCUMENT)
    for path, text in MODULES.items():
        add(tmp_path, f"src/wspace/{path}", text)
    folders = ("", "ops/", "networks/", "recipes/", "cli/", "fuzz/")
    for path in ("helpers/mine.py", *(f"{folder}test_{k}.py" for k, folder in enumerate(folders))):
        add(tmp_path, f"tests/{path}", "")
    return tmp_path


def add(house: Path, path: str, text: str) -> None:
    """Write a file, or add lines to it."""
    (house / path).parent.mkdir(parents=True, exist_ok=True)
    with (house / path).open("a") as file:
        file.write(text)


def document(house: Path, old: str, new: str) -> None:
    text = (house / "docs/architecture.md").read_text()
    assert old in text
    (house / "docs/architecture.md").write_text(text.replace(old, new))


def test_every_module_has_its_row() -> None:
    assert source_map.modules_without_row(ROOT) == []


def test_every_row_has_its_module() -> None:
    assert source_map.rows_without_module(ROOT) == []


def test_the_stated_arrows_are_those_of_the_imports() -> None:
    assert source_map.arrows_that_differ(ROOT) == []


def test_nothing_imports_in_a_circle() -> None:
    assert source_map.circles(ROOT) == []


def test_operators_and_networks_import_nothing_above_them() -> None:
    assert source_map.folders_imported_by(ROOT, "ops") == set()
    assert source_map.folders_imported_by(ROOT, "networks") <= {"ops"}


def test_recipes_need_no_torch() -> None:
    assert source_map.loads_torch(ROOT, "recipe") == []
    assert source_map.foreign_imports(ROOT, "recipe", ["torch"]) == []


@pytest.mark.parametrize("folder", ["cli", "serving", "studio"])
def test_front_ends_start_without_torch_and_compute_nothing(folder: str) -> None:
    assert source_map.loads_torch(ROOT, folder) == []
    assert source_map.foreign_imports(ROOT, folder, ["numpy", "torch"], types=False) == []


def test_tests_mirror_the_source() -> None:
    assert source_map.folders_without_mirror(ROOT) == []


def test_pointers_in_the_source_point_to_something() -> None:
    assert source_map.pointers_to_nothing(ROOT) == []


def test_documents_name_files_that_are_there() -> None:
    assert source_map.documents_point_to_nothing(ROOT) == []


def test_a_house_in_which_all_is_right_passes_each_check(house: Path) -> None:
    assert source_map.modules_without_row(house) == []
    assert source_map.rows_without_module(house) == []
    assert source_map.arrows_that_differ(house) == []
    assert source_map.circles(house) == []
    assert source_map.folders_imported_by(house, "networks") == {"ops"}
    assert source_map.folders_imported_by(house, "ops") == set()
    assert source_map.loads_torch(house, "recipes") == []
    assert source_map.loads_torch(house, "cli") == []
    assert source_map.foreign_imports(house, "recipes", ["torch"]) == []
    assert source_map.foreign_imports(house, "cli", ["numpy", "torch"], types=False) == []
    assert source_map.pointers_to_nothing(house) == []
    assert source_map.documents_point_to_nothing(house) == []
    assert source_map.folders_without_mirror(house) == []


def test_a_module_without_a_row_is_found(house: Path) -> None:
    add(house, "src/wspace/ops/unfold.py", '"""Another filter."""\n')
    (problem,) = source_map.modules_without_row(house)
    assert problem == "ops/unfold.py has no row in docs/architecture.md"


def test_a_package_needs_a_row_where_it_has_code(house: Path) -> None:
    add(house, "src/wspace/ops/__init__.py", "from wspace.ops.fold import fold\n")
    (problem,) = source_map.modules_without_row(house)
    assert problem.startswith("ops/__init__.py ")


def test_a_row_without_a_module_is_found(house: Path) -> None:
    (house / "src/wspace/recipes/recipe.py").unlink()
    (problem,) = source_map.rows_without_module(house)
    assert problem == "docs/architecture.md names recipes/recipe.py, which is no module"


def test_a_name_that_its_module_lacks_is_found(house: Path) -> None:
    document(house, "`truncate` in", "`truncated` in")
    (problem,) = source_map.rows_without_module(house)
    assert problem == "docs/architecture.md names truncated, which is not in networks/net.py"


@pytest.mark.parametrize(
    "text",
    [
        "import wspace.recipes.recipe\n",
        "from wspace.recipes import recipe\n",
        "def late():\n    from wspace.recipes.recipe import Recipe\n",
        "if TYPE_CHECKING:\n    from wspace.recipes.recipe import Recipe\n",
        "HOME = 'wspace.recipes.recipe'\n",
    ],
)
def test_an_arrow_that_is_not_stated_is_found_wherever_it_starts(house: Path, text: str) -> None:
    add(house, "src/wspace/networks/net.py", text)
    problems = source_map.arrows_that_differ(house)
    assert problems == [
        "networks -> recipes is not stated: networks/net.py imports recipes/recipe.py"
    ]
    assert source_map.folders_imported_by(house, "networks") == {"ops", "recipes"}


def test_a_stated_arrow_that_nothing_makes_is_found(house: Path) -> None:
    document(house, "| `recipes` | |", "| `recipes` | `ops` |")
    (problem,) = source_map.arrows_that_differ(house)
    assert problem == "recipes -> ops is stated, but nothing imports it"


def test_an_arrow_down_the_table_is_found(house: Path) -> None:
    add(house, "src/wspace/networks/net.py", "import wspace.recipes.recipe\n")
    document(house, "| `networks` | `ops` |", "| `networks` | `ops`, `recipes` |")
    (problem,) = source_map.arrows_that_differ(house)
    assert problem.startswith("networks -> recipes points down the table")


def test_the_ground_imports_no_folder(house: Path) -> None:
    add(house, "src/wspace/files.py", "from wspace.ops import fold\n")
    (problem,) = source_map.arrows_that_differ(house)
    assert problem.startswith("files.py -> ops is not stated")


def test_a_folder_without_a_row_of_arrows_is_found(house: Path) -> None:
    add(house, "src/wspace/studio/page.py", "")
    (problem,) = source_map.arrows_that_differ(house)
    assert problem == "studio/page.py is in no row of 'Which folder imports which'"


def test_a_folder_in_a_folder_may_have_arrows_of_its_own(house: Path) -> None:
    add(house, "src/wspace/networks/frozen/seen.py", "")
    add(house, "src/wspace/networks/net.py", "from wspace.networks.frozen import seen\n")
    assert source_map.arrows_that_differ(house) == []
    document(house, "\n| `networks` |", "\n| `networks/frozen` | |\n| `networks` |")
    (problem,) = source_map.arrows_that_differ(house)
    assert problem.startswith("networks -> networks/frozen is not stated")


def test_circles_are_found(house: Path) -> None:
    add(house, "src/wspace/networks/other.py", "from wspace.networks.net import truncate\n")
    add(house, "src/wspace/networks/net.py", "def late():\n    import wspace.networks.other\n")
    (problem,) = source_map.circles(house)
    assert problem.startswith("modules in a circle: networks/")
    add(house, "src/wspace/ops/unfold.py", "from wspace.networks.net import truncate\n")
    assert source_map.circles(house)[1].startswith("folders in a circle: ")


def test_torch_behind_an_import_is_found(house: Path) -> None:
    add(house, "src/wspace/recipes/recipe.py", "from wspace.networks.net import truncate\n")
    problems = source_map.loads_torch(house, "recipes")
    assert problems == ["importing recipes/recipe.py loads torch, which ops/fold.py imports"]
    assert len(source_map.loads_torch(house, "cli")) == 1  # which imports recipes


def test_torch_in_a_package_is_found(house: Path) -> None:
    add(house, "src/wspace/recipes/__init__.py", "from torch import Tensor\n")
    assert len(source_map.loads_torch(house, "recipes")) == 2  # the package and its module


@pytest.mark.parametrize("text", ["import torch.nn\n", "def late():\n    import numpy as np\n"])
def test_a_front_end_that_computes_is_found(house: Path, text: str) -> None:
    add(house, "src/wspace/cli/main.py", text)
    assert len(source_map.foreign_imports(house, "cli", ["numpy", "torch"], types=False)) == 1


def test_recipes_know_tensors_not_even_as_types(house: Path) -> None:
    text = "if TYPE_CHECKING:\n    from torch import Tensor\n"
    add(house, "src/wspace/recipes/recipe.py", text)
    problems = source_map.foreign_imports(house, "recipes", ["torch"])
    assert problems == ["recipes/recipe.py imports torch for types"]


def test_a_test_folder_that_mirrors_nothing_is_found(house: Path) -> None:
    add(house, "tests/networks/deep/test_net.py", "")
    (problem,) = source_map.folders_without_mirror(house)
    assert problem == "tests/networks/deep mirrors no folder of src/wspace"


def test_a_folder_without_tests_is_found(house: Path) -> None:
    add(house, "src/wspace/ops/fast/fold.py", "def fold(): ...\n")
    (problem,) = source_map.folders_without_mirror(house)
    assert problem == "src/wspace/ops/fast has no tests/ops/fast"


@pytest.mark.parametrize(
    "pointer",
    ["net.truncate", "networks.net", "wspace.networks.net.truncate", "wspace.ops", "json.loads"],
)
def test_what_a_pointer_may_name(house: Path, pointer: str) -> None:
    add(house, "src/wspace/ops/fold.py", f"# see `{pointer}`, not ``net.code``\n")
    assert source_map.pointers_to_nothing(house) == []


def test_members_of_classes_may_be_named(house: Path) -> None:
    add(house, "src/wspace/errors.py", "class Text:\n    def of(self):\n        self.line = 1\n")
    add(house, "src/wspace/ops/fold.py", "# see `Text.of`, `Text.line` and `errors.Text.of`\n")
    assert source_map.pointers_to_nothing(house) == []


@pytest.mark.parametrize("pointer", ["net.fold", "ops.net", "Text.of", "network.truncate"])
def test_a_pointer_to_nothing_is_found(house: Path, pointer: str) -> None:
    add(house, "src/wspace/ops/fold.py", f"# see `{pointer}`\n")
    (problem,) = source_map.pointers_to_nothing(house)
    assert problem == f"ops/fold.py:3 points to `{pointer}`, which is not there"


def test_a_document_that_names_no_file_is_found(house: Path) -> None:
    add(house, "README.md", "See `ops/fold.py`, `tests/test_0.py` and `ops/old.py`.\n")
    (problem,) = source_map.documents_point_to_nothing(house)
    assert problem == "README.md names ops/old.py, which is not there"

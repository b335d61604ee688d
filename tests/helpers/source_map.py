"""The source as a map: what each module imports, and whether docs/architecture.md says so.

Each check takes the root of a checkout and returns what is wrong, a line for each; none imports
wspace. An import is an arrow wherever it stands: at the top of a module, inside a function, or
for types alone. A module's name in a string of its own, such as ``"wspace.formats.model_file"``,
is one too. Paths are those of the document: below src/wspace, with slashes.
"""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

PACKAGE = "wspace"
ARROWS = "## Which folder imports which"
CONCEPTS = "## Where a concept lives"
NEWS = "CHANGELOG.md"  # names what was there
_POINTER = re.compile(r"(?<!`)`([A-Za-z_]\w*(?:\.\w+)+)(?:\(\))?`(?!`)")
TEST_FOLDERS = ("fixtures", "fuzz", "helpers")  # the others are named after folders of src
When = Literal["at import", "in a call", "for types"]


@dataclass(frozen=True)
class Import:
    """One arrow; ``target`` is a path of ours, or the name of another package."""

    source: str
    target: str
    when: When


def modules_without_row(root: Path) -> list[str]:
    """Modules that the table of concepts leaves out; an ``__init__`` needs a row if it has code."""
    named = {path for row in _concepts(root) for path in row.paths}
    return [
        f"{path} has no row in docs/architecture.md"
        for path, tree in _modules(root).items()
        if path not in named and (PurePosixPath(path).name != "__init__.py" or _has_code(tree))
    ]


def rows_without_module(root: Path) -> list[str]:
    """Paths in the table of concepts that are no module, and names that their modules lack."""
    modules = _modules(root)
    problems = []
    for row in _concepts(root):
        known = set()
        for path in row.paths:
            if path in modules:
                known |= _names(modules[path])
            else:
                problems.append(f"docs/architecture.md names {path}, which is no module")
        problems += [
            f"docs/architecture.md names {name}, which is not in {' or '.join(row.paths)}"
            for name in row.names
            if name not in known
        ]
    return problems


def arrows_that_differ(root: Path) -> list[str]:
    """Arrows between rooms that the document does not state, and stated ones that no import makes.

    A room is a folder or a module in the first column of the document's table; a folder's own
    folders belong to it, unless they have rows of their own. The rooms of the first row may be
    imported by all. Every other row may import only from rows above it.
    """
    rows = _rows(root, ARROWS)
    ground, *others = [(_quoted(row[0]), _quoted(row[1])) for row in rows]
    order = [room for rooms, _ in (ground, *others) for room in rooms]
    stated = {(rooms[0], target) for rooms, targets in others for target in targets}
    made: dict[tuple[str, str], str] = {}
    problems = [f"{path} is in no row of {ARROWS[3:]!r}" for path in _homeless(root, order)]
    for arrow in _imports(root):
        source, target = _room(arrow.source, order), _room(arrow.target, order)
        if None not in (source, target) and source != target:
            made.setdefault((str(source), str(target)), f"{arrow.source} imports {arrow.target}")
    for (source, target), example in made.items():
        if target in ground[0] and source not in ground[0]:
            continue
        if source in ground[0] and target in ground[0]:
            continue
        if (source, target) not in stated:
            problems.append(f"{source} -> {target} is not stated: {example}")
        elif order.index(source) < order.index(target):
            problems.append(f"{source} -> {target} points down the table: {example}")
    problems += [
        f"{source} -> {target} is stated, but nothing imports it"
        for source, target in sorted(stated - set(made))
    ]
    return problems


def circles(root: Path) -> list[str]:
    """Modules, and folders right below src/wspace, that import each other in a circle."""
    problems = []
    for what, name in (("modules", str), ("folders", lambda path: path.split("/")[0])):
        graph: dict[str, set[str]] = {}
        for arrow in _imports(root):
            source, target = name(arrow.source), name(arrow.target)
            if source != target and arrow.target.endswith(".py"):
                graph.setdefault(source, set()).add(target)
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            problems.append(f"{what} in a circle: {' <- '.join(error.args[1])}")
    return problems


def folders_imported_by(root: Path, folder: str) -> set[str]:
    """The folders right below src/wspace that one of them imports."""
    return {
        arrow.target.split("/")[0]
        for arrow in _imports(root)
        if arrow.source.startswith(f"{folder}/") and arrow.target.count("/") > 0
    } - {folder}


def loads_torch(root: Path, folder: str) -> list[str]:
    """Modules of a folder whose import loads torch, however far away, and by which module."""
    imports: dict[str, set[str]] = {}
    for arrow in _imports(root):
        if arrow.when == "at import":
            imports.setdefault(arrow.source, set()).add(arrow.target)
    problems = []
    for module in _modules(root):
        if not module.startswith(f"{folder}/"):
            continue
        seen, waiting = {module}, [module]
        while waiting:
            source = waiting.pop()
            targets = set(imports.get(source, ()))
            if "torch" in targets:
                problems.append(f"importing {module} loads torch, which {source} imports")
            # a module's packages are imported before it
            targets |= {f"{p}/__init__.py" for t in (*targets, source) for p in _packages(t)}
            waiting += sorted(targets - seen)
            seen |= targets
    return problems


def foreign_imports(
    root: Path, folder: str, packages: Collection[str], *, types: bool = True
) -> list[str]:
    """Imports of some packages in a folder; without ``types``, those for types alone do not count.

    A module without torch can still call the methods of a tensor that the library hands to it:
    that is for a reader to see.
    """
    return [
        f"{arrow.source} imports {arrow.target} {arrow.when}"
        for arrow in _imports(root)
        if arrow.source.startswith(f"{folder}/")
        and arrow.target in packages
        and (types or arrow.when != "for types")
    ]


def pointers_to_nothing(root: Path) -> list[str]:
    """Names with a dot that the source has in single backticks, of which nothing of ours is left.

    They point to a module, a thing in it or a member of a class: `files.atomic_path`. Those of
    Python and of the packages that we import are not looked up.
    """
    modules = _modules(root)
    foreign = {arrow.target for arrow in _imports(root)} | sys.stdlib_module_names
    homes = {f".{PACKAGE}/{path}".removesuffix(".py").replace("/", "."): path for path in modules}
    homes = {dotted.removesuffix(".__init__"): path for dotted, path in homes.items()}
    classes = {
        node.name: _names(node) | _attributes(node)
        for tree in modules.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }

    def found(pointer: str) -> bool:
        home, _, name = pointer.rpartition(".")
        named = [modules[path] for dotted, path in homes.items() if dotted.endswith(f".{home}")]
        return (
            any(dotted.endswith(f".{pointer}") for dotted in homes)
            or any(name in _names(module) for module in named)
            or name in classes.get(home.split(".")[-1], ())
        )

    return [
        f"{path}:{number} points to `{pointer}`, which is not there"
        for path, text in _texts(root).items()
        for number, line in enumerate(text.splitlines(), start=1)
        for pointer in _POINTER.findall(line)
        if pointer.split(".")[0] not in foreign and not found(pointer)
    ]


def documents_point_to_nothing(root: Path) -> list[str]:
    """Python files that the documents name in backticks, and that are not there."""
    modules = _modules(root)
    documents = [
        path for path in (*root.glob("*.md"), *root.glob("docs/*.md")) if path.name != NEWS
    ]
    return [
        f"{document.relative_to(root).as_posix()} names {path}, which is not there"
        for document in sorted(documents)
        for path in re.findall(r"`([\w/]+\.py)`", document.read_text())
        if path not in modules and not (root / path).is_file()
    ]


def folders_without_mirror(root: Path) -> list[str]:
    """Folders of tests that mirror no folder of the source, and folders of it without tests."""
    folders = {path.rpartition("/")[0] for path, tree in _modules(root).items() if _has_code(tree)}
    tests = (path.parent.relative_to(root / "tests") for path in root.glob("tests/**/test_*.py"))
    mirrors = {"" if str(folder) == "." else folder.as_posix() for folder in tests}
    mirrors = {folder for folder in mirrors if folder.split("/")[0] not in TEST_FOLDERS}
    return [
        *(
            f"tests/{extra} mirrors no folder of src/{PACKAGE}"
            for extra in sorted(mirrors - folders)
        ),
        *(f"src/{PACKAGE}/{bare} has no tests/{bare}" for bare in sorted(folders - mirrors)),
    ]


@dataclass(frozen=True)
class _Concept:
    paths: tuple[str, ...]
    names: tuple[str, ...]  # of things in those modules


def _concepts(root: Path) -> list[_Concept]:
    rows = []
    for _, where in _rows(root, CONCEPTS):
        quoted = _quoted(where)
        paths = tuple(text for text in quoted if text.endswith(".py"))
        rows.append(_Concept(paths, tuple(text for text in quoted if text not in paths)))
    return rows


def _rows(root: Path, heading: str) -> list[list[str]]:
    """The cells of each row of the tables below a heading, without the tables' own heads."""
    document = (root / "docs/architecture.md").read_text()
    section = document.split(f"{heading}\n")[1].split("\n## ")[0]
    lines = [line.strip() for line in section.splitlines()]
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    rules = [k for k, row in enumerate(rows) if set("".join(row)) <= set("- ")]
    heads = {k for rule in rules for k in (rule - 1, rule)}
    return [row for k, row in enumerate(rows) if k not in heads]


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def _room(path: str, rooms: list[str]) -> str | None:
    """The longest of the rooms that a module lies in."""
    inside = [room for room in rooms if path == room or path.startswith(f"{room}/")]
    return max(inside, key=len, default=None)


def _homeless(root: Path, rooms: list[str]) -> list[str]:
    return [path for path in _modules(root) if _room(path, rooms) is None]


def _modules(root: Path) -> dict[str, ast.Module]:
    return {path: _parse(text) for path, text in _texts(root).items()}


def _texts(root: Path) -> dict[str, str]:
    home = root / "src" / PACKAGE
    return {p.relative_to(home).as_posix(): p.read_text() for p in sorted(home.rglob("*.py"))}


@functools.cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


def _imports(root: Path) -> list[Import]:
    texts = _texts(root)
    arrows = [_imports_of(path, text, frozenset(texts)) for path, text in texts.items()]
    return [arrow for of_module in arrows for arrow in of_module if arrow.target != arrow.source]


@functools.cache
def _imports_of(source: str, text: str, paths: frozenset[str]) -> tuple[Import, ...]:
    return tuple(_imports_below(_parse(text), source, paths, "at import"))


def _imports_below(
    node: ast.AST, source: str, paths: frozenset[str], when: When
) -> Iterator[Import]:
    """The arrows that start in one node of a module's tree."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{source}:{node.lineno}: imports are absolute here"
        # what is imported from a package may be a module or a name in its __init__
        names = [
            whole if _path(whole := f"{node.module}.{alias.name}", paths) else str(node.module)
            for alias in node.names
        ]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        names = [node.value] if _path(node.value, paths) and "." in node.value else []
        when = "in a call" if when == "at import" else when  # the string is imported later
    for name in dict.fromkeys(names):
        target = _path(name, paths)
        assert target or not name.startswith(f"{PACKAGE}."), f"{source} imports {name}: no module"
        yield Import(source, target or name.split(".")[0], when)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        when = "in a call" if when == "at import" else when
    for child in ast.iter_child_nodes(node):
        typed = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        yield from _imports_below(
            child, source, paths, "for types" if typed and child not in node.orelse else when
        )


def _path(name: str, paths: Collection[str]) -> str | None:
    """The path of a dotted name, if it is a module of ours."""
    first, *parts = name.split(".")
    if first != PACKAGE:
        return None
    inner = "/".join(parts)
    candidates = (f"{inner}.py", f"{inner}/__init__.py".lstrip("/"))
    return next((path for path in candidates if path in paths), None)


def _packages(path: str) -> Iterator[str]:
    """The packages around a module, from the inside out, below the outermost."""
    folder = PurePosixPath(path).parent
    while path.endswith(".py") and folder.parts:
        yield folder.as_posix()
        folder = folder.parent


def _attributes(of: ast.ClassDef) -> set[str]:
    """What a class's methods set on ``self``."""
    nodes = [node for node in ast.walk(of) if isinstance(node, ast.Attribute)]
    return {
        node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def _has_code(tree: ast.Module) -> bool:
    """Whether a module is more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in tree.body)


def _names(of: ast.Module | ast.ClassDef) -> set[str]:
    """What a module or a class has at its top."""
    names = set()
    for node in of.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names

"""Several modules of JavaScript as one script, so that a page of one file needs no other.

It knows the forms that the page's own modules are written in, and refuses others: imports and
exports at the beginning of a line, no circles, nothing that is exported and changes later.
"""

from __future__ import annotations

import re
from pathlib import Path

from wspace.errors import WspaceError

__all__ = ["bundled", "plain_script"]

_IMPORT = re.compile(r'^import\s*([^;"()]*?)\s*from\s*"(\.[^"]+)";[^\S\n]*', re.MULTILINE)
_DECLARED = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_LISTED = re.compile(r"\bexport\s*\{([^}]*)\};?")
_DEFAULT = re.compile(r"\bexport default (?=function\()")
_LEFT = re.compile(r'^\s*(?:export\b|import\b\s*[^(.\s])|;export\b|;import\s*[{"]', re.MULTILINE)
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


def bundled(entry: Path) -> str:
    """A module and all that it imports, each in a scope of its own, as one module.

    Args:
        entry: a module; what it exports is dropped.

    Raises:
        WspaceError: a module that is missing, is written in another form, or imports itself by way
            of others.
    """
    made: dict[Path, str] = {}
    _add(entry.resolve(), made, ())
    return "\n".join(made.values())


def plain_script(module: str, name: str) -> str:
    """A module that imports nothing as a script which puts what it exports under a global name.

    Browsers start no module as a worker from a file that lies on a disk, but any script.

    Raises:
        WspaceError: it is written in another form.
    """
    listed = list(_LISTED.finditer(module))
    if len(listed) != 1 or _IMPORT.search(module):
        raise WspaceError("the runtime's script is not written as expected: take another version.")
    (found,) = listed
    put = f"globalThis.{name}={{{_pairs(found[1])}}};"
    script = module[: found.start()] + put + module[found.end() :]
    script = _SOURCE_MAP.sub("", script).replace("import.meta.url", "self.location.href")
    return f"(() => {{\n{script}\n}})();"


def _add(path: Path, made: dict[Path, str], above: tuple[Path, ...]) -> int:
    """The number of a module, which is put behind those that it imports."""
    if path in above:
        raise WspaceError(f"{path.name} imports itself, by way of {above[-1].name}.")
    if path in made:
        return list(made).index(path)
    try:
        code = path.read_text(encoding="utf-8")
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror}: install wspace again.") from None

    def imported(found: re.Match[str]) -> str:
        number = _add((path.parent / found[2]).resolve(), made, (*above, path))
        return _taken(found[1], f"module{number}")

    exports: list[str] = []

    def declared(found: re.Match[str]) -> str:
        exports.append(found[1])
        return ""

    def listed(found: re.Match[str]) -> str:
        if found[1].strip():
            exports.append(_pairs(found[1]))
        return ""

    code = _SOURCE_MAP.sub("", _IMPORT.sub(imported, code))
    code = _DECLARED.sub(declared, code)
    if _DEFAULT.search(code):
        exports.append("default: made_default")
        code = _DEFAULT.sub("const made_default = ", code)
    code = _LISTED.sub(listed, code)
    if left := _LEFT.search(code):
        raise WspaceError(f"{path.name}: {left[0].strip()[:40]!r} is in a form that is not known.")
    number = len(made)
    made[path] = (
        f"// {path.name}\nconst module{number} = (() => {{\n{code}\n"
        f"return {{ {', '.join(exports)} }};\n}})();"
    )
    return number


def _taken(names: str, module: str) -> str:
    """What takes imported names from a module: ``{ a as b }``, ``* as c`` or a default."""
    if whole := re.fullmatch(r"\*\s+as\s+(\w+)", names):
        return f"const {whole[1]} = {module};"
    if re.fullmatch(r"\w+", names):
        return f"const {{ default: {names} }} = {module};"
    parts = [part.split(" as ") for part in names.strip("{} \n,").split(",")]
    pairs = [" : ".join(name.strip() for name in part) for part in parts]
    return f"const {{ {', '.join(pairs)} }} = {module};"


def _pairs(names: str) -> str:
    """``a as b, c`` as the fields of an object."""
    parts = [[name.strip() for name in part.split(" as ")] for part in names.split(",")]
    return ", ".join(f"{part[-1]}: {part[0]}" for part in parts)

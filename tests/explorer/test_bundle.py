"""Modules as one script."""

from __future__ import annotations

from pathlib import Path

import pytest

from wspace.errors import WspaceError
from wspace.explorer.bundle import bundled, plain_script


def write(folder: Path, **modules: str) -> Path:
    """Modules by name; the first is given back."""
    for name, code in modules.items():
        (folder / f"{name}.js").write_text(code)
    return folder / f"{next(iter(modules))}.js"


def test_each_module_stands_once_behind_those_that_it_imports(tmp_path: Path) -> None:
    entry = write(
        tmp_path,
        main='import { one,\n  two as second } from "./a.js";\nimport all from "./b.js";\none();\n',
        a='import * as b from "./b.js";\nexport const one = b.x;\nexport async function two() {}\n',
        b="var n=1;export{n as x};export default function(s){return s}",
    )
    made = bundled(entry)
    assert [made.count(f"// {name}.js") for name in ("b", "a", "main")] == [1, 1, 1]
    assert made.index("// b.js") < made.index("// a.js") < made.index("// main.js")
    assert "const { one, two : second } = module1;" in made
    assert "const b = module0;" in made
    assert "const { default: all } = module0;" in made
    assert "return { one, two };" in made
    assert "return { default: made_default, x: n };" in made


@pytest.mark.parametrize(
    "code",
    ['export * from "./a.js";', "export let changes = 1;", 'import "./a.js";', "export default 3;"],
)
def test_another_form_is_refused(tmp_path: Path, code: str) -> None:
    entry = write(tmp_path, main=code, a="export const one = 1;\n")
    with pytest.raises(WspaceError, match=r"main\.js: .* is in a form that is not known"):
        bundled(entry)


def test_a_circle_is_refused(tmp_path: Path) -> None:
    entry = write(tmp_path, main='import { a } from "./a.js";', a='import { b } from "./main.js";')
    with pytest.raises(WspaceError, match=r"main\.js imports itself, by way of a\.js"):
        bundled(entry)


def test_a_module_that_is_missing_is_named(tmp_path: Path) -> None:
    entry = write(tmp_path, main='import { a } from "./gone.js";\n')
    with pytest.raises(WspaceError, match=r"cannot read .*gone\.js"):
        bundled(entry)


def test_a_module_becomes_a_script_with_a_name(tmp_path: Path) -> None:
    module = "var a=import.meta.url;export{a as address,b};\n//# sourceMappingURL=x.map\n"
    made = plain_script(module, "given")
    assert "globalThis.given={address: a, b: b};" in made
    assert "self.location.href" in made
    assert "sourceMappingURL" not in made
    with pytest.raises(WspaceError, match="not written as expected"):
        plain_script("const a = 1;", "given")

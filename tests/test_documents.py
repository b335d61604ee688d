"""README.md, docs/ and the examples' pages: every command and name in them exists."""

from __future__ import annotations

import documents
import pytest


@pytest.mark.parametrize("page", documents.pages())
def test_every_command_of_a_page_is_one_that_there_is(page: str) -> None:
    assert documents.problems_of_page(page) == []


def test_commands_are_found_wherever_a_page_has_them() -> None:
    blocks = [block for page in documents.pages() for block in documents.blocks(page)]
    found = [words for block in blocks for words in block.commands if words[0] == "wspace"]
    assert len(found) > 60
    assert {"generate", "mix", "train", "measure", "export"} <= {words[1] for words in found}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```bash\nwspace generat avatars\n```", "wspace has no command generat"),
        ("```sh\nwspace mix avatars --row 1\n```", "No such option"),
        ("```\nwspace mix avatars --rows 1 --out\n```", "requires an argument"),
        ("```bash\nwspace invert avatars\n```", "invert needs"),
        ("```bash\nwspace models\nwspace show a.png \\\n  --what\n```", "No such option"),
        ("```bash\nwspace train FOLDER --minutes soon\n```", "'soon' is not a valid float"),
        ("```bash\nwspace train FOLDER --set r1_gama=1\n```", "r1_gama"),
        ("```\ntorchrun --nnodes 1 -m wspace train X --hour 1\n```", "No such option"),
        ("```bash\nA=1 make sudio\n```", "no target sudio"),
        ("```bash\npip install 'wspace[studios]'\n```", "no extra studios"),
        ("```bash\npython benchmarks/none.py\n```", "there is no benchmarks/none.py"),
        ("```bash\npython benchmarks/studio.py --nonsense\n```", "has no option --nonsense"),
        ("```python\nfrom wspace.recipe.mixing import mix\n```", "wspace.recipe.mixing has no mix"),
        ("```python\nimport wspace\nwspace.draw()\n```", "wspace has no draw"),
        ("```python\none =\n```", "is no Python"),
        ("so `wspace train\n--fotos X` it", "No such option"),
        ("| `data biuld FOLDER OUT.zip` |", "data has no command biuld"),
        ("`--no-such`", "no command has the option --no-such"),
        ("`--set augmnt=ada`", "augmnt"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_named(text: str, problem: str) -> None:
    (found,) = documents.problems_of_page("page.md", text)
    assert problem in found


@pytest.mark.parametrize(
    "text",
    [
        "```bash\nwspace train FOLDER --minutes 30   # or --houres 3\n```",
        "`wspace invert`, `wspace train RUN --kimg N`, `data avatars OUT.zip`, `text`, `show it`",
        "```json\nwspace nonsense\n```",
        "```\nwspace: an error's line\nit's output\n```",
        "``a ` in code`` and `--set NAME=VALUE`",
    ],
)
def test_what_is_right_or_no_command_has_no_problems(text: str) -> None:
    assert documents.problems_of_page("page.md", text) == []

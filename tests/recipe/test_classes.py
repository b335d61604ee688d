"""Classes as people write them, and as labels call them."""

from __future__ import annotations

import pytest

import wspace
from wspace.errors import WspaceError
from wspace.recipe.classes import (
    Classes,
    parse_seeds_of_classes,
    with_class_names,
)
from wspace.recipe.describe import describe, recipe_lines, seed_label
from wspace.recipe.mixing import assign_recipe
from wspace.recipe.recipe import Recipe, Source
from wspace.recipe.request import Request
from wspace.recipe.starts import parse_assignment
from wspace.recipe.syntax import Layers

CLOTHES = Classes(4, ("T-shirt/top", "Boot", "bag, small", "coat"))
FOLDERS = Classes(3, ("1", "2", "10"))
NAMELESS = Classes(3)


def test_a_class_goes_by_its_name_or_number() -> None:
    assert CLOTHES.parse("Boot") == CLOTHES.parse(" boot ") == CLOTHES.parse("1") == 1
    assert CLOTHES.parse(3) == 3
    assert NAMELESS.parse("2") == 2


def test_a_name_that_is_a_number_means_the_class_of_that_name() -> None:
    assert [FOLDERS.parse(text) for text in ("1", "2", "10")] == [0, 1, 2]
    with pytest.raises(WspaceError, match="class '0' is none of this model's 3"):
        FOLDERS.parse("0")  # no picture was labelled so
    with pytest.raises(WspaceError, match=r"give 1, 2, 10\.$"):
        FOLDERS.parse("7")
    assert Classes(2, ("boot", "1")).parse("0") == 0


def test_names_that_differ_in_capital_letters_are_told_apart() -> None:
    both = Classes(2, ("Polish", "polish"))
    assert (both.parse("Polish"), both.parse("polish")) == (0, 1)
    with pytest.raises(WspaceError, match="'POLISH' is none of this model's 2"):
        both.parse("POLISH")


@pytest.mark.parametrize(
    ("classes", "text", "says"),
    [
        (CLOTHES, "bot", "class 'bot' is none of this model's 4: did you mean Boot?"),
        (CLOTHES, "shirt", "did you mean T-shirt/top?"),
        (CLOTHES, "xyz", r"give T-shirt/top, Boot, bag, small, coat \(or 0 to 3\)"),
        (CLOTHES, "4", "class '4' is none of this model's 4: give"),
        (CLOTHES, "-1", "class '-1' is none"),
        (NAMELESS, "boot", "class 'boot' is none of this model's 3: give 0 to 2"),
        (Classes(), "boot", "class=boot: this model has no classes"),
        (Classes(900, tuple(f"n{i:08}" for i in range(900))), "zebra", r"n00000000, .*\.\.\. \(or"),
    ],
)
def test_a_class_that_is_not_there_is_told_with_what_there_is(
    classes: Classes, text: str, says: str
) -> None:
    with pytest.raises(WspaceError, match=says) as error:
        classes.parse(text)
    assert len(str(error.value)) < 400


def test_lists_are_of_names_numbers_and_ranges() -> None:
    assert CLOTHES.parse_list("all") == (0, 1, 2, 3)
    assert CLOTHES.parse_list("coat, boot") == (3, 1)
    assert CLOTHES.parse_list("boot,bag, small,0") == (1, 2, 0)  # a name may have a comma
    assert NAMELESS.parse_list("1-2,0") == (1, 2, 0)
    assert Classes(2, ("all", "0-1")).parse_list("all") == (0,)
    assert Classes(2, ("all", "0-1")).parse_list("0-1") == (1,)
    for text, says in (("1-9", "class '9'"), ("2-1", "run backwards"), ("boot,", "class ''")):
        with pytest.raises(WspaceError, match=says):
            CLOTHES.parse_list(text)
    with pytest.raises(WspaceError, match="no classes"):
        Classes().parse_list("all")


def test_seeds_may_have_classes_of_their_own() -> None:
    text = "0-1:boot,7,3:T-shirt/top"
    assert parse_seeds_of_classes(text) == ((0, "boot"), (1, "boot"), 7, (3, "T-shirt/top"))
    for wrong, says in (("1:", "names no class"), (":boot", "is no seed"), ("a:boot", "no seed")):
        with pytest.raises(WspaceError, match=says):
            parse_seeds_of_classes(wrong)


def test_layers_may_have_seeds_of_several_classes() -> None:
    layers = Layers(2)
    assert parse_assignment("5:boot@0,7@1", layers, what="--assign") == ((5, "boot"), 7)
    assert parse_assignment("5:boot", layers, what="--assign") == ((5, "boot"),) * 2
    with pytest.raises(WspaceError, match="is not one seed"):
        parse_assignment("1-2:boot@0-1", layers, what="--assign")


def test_a_request_names_classes_and_a_seed_may_have_another() -> None:
    made = Request(class_index="boot").recipes([1, (2, "coat"), (3, 0)], Layers(2), classes=CLOTHES)
    assert [recipe.sources[0].class_index for recipe in made] == [1, 3, 0]
    with pytest.raises(WspaceError, match="no model is named here"):
        Request(class_index="boot").recipes([1], Layers(2))


def test_a_recipe_says_what_its_class_is_called() -> None:
    plain = wspace.recipes(seeds=[3], class_index=1)
    (told,) = with_class_names(plain, CLOTHES.names)
    assert told == plain[0]  # it makes the same picture
    assert told.sources[0].class_name == "Boot"
    assert Recipe.from_json(told.to_json()).sources[0].class_name == "Boot"
    assert with_class_names(plain, None) == plain
    assert seed_label(told) == "seed 3, class Boot"
    assert seed_label(plain[0]) == "seed 3, class 1"
    assert recipe_lines(told)[0].endswith("seed 3, class Boot (number 1)")
    (numbered,) = with_class_names(wspace.recipes(seeds=[3], class_index=0), ("0", "5"))
    assert recipe_lines(numbered)[0].endswith("seed 3, class 0")


def test_only_a_recipe_with_names_is_of_the_newer_version() -> None:
    plain = wspace.recipes(seeds=[3], class_index=1)
    (told,) = with_class_names(plain, CLOTHES.names)
    assert (plain[0].to_dict()["version"], told.to_dict()["version"]) == (1, 2)
    with pytest.raises(WspaceError, match="needs the class's number"):
        Source(seed=1, class_name="Boot")


def test_pictures_of_several_classes_say_all_of_them() -> None:
    sources = [Source(seed=1, class_index=1), Source(seed=2, class_index=3)]
    mixed = assign_recipe(wspace.recipes(seeds=[0], class_index=0)[0], sources)
    assert seed_label(*with_class_names([mixed], CLOTHES.names)) == "seeds 1 (Boot), 2 (coat)"
    alike = assign_recipe(mixed, [Source(seed=1, class_index=1), Source(seed=2, class_index=1)])
    assert seed_label(*with_class_names([alike], CLOTHES.names)) == "seeds 1, 2, class Boot"


def test_truncation_towards_a_class_is_said() -> None:
    source = Source(seed=1, class_index=1, centre=(0.0, 1.0))
    assert describe(Recipe(sources=(source,), psi=0.5)) == "psi 0.5 towards a centre of its class"

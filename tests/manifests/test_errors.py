from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Iterator

import pytest

from tagswarm.manifests import errors
from tagswarm.manifests.errors import TagswarmError


def below(parent: type[TagswarmError]) -> Iterator[type[TagswarmError]]:
    for child in parent.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from below(child)


FAMILIES = [child for child in TagswarmError.__subclasses__() if child.__module__ == errors.__name__]
CLASSES: list[type[TagswarmError]] = [TagswarmError, *below(TagswarmError)]
SPECIAL = {errors.EXIT_OK, errors.EXIT_USAGE, errors.EXIT_PARTIAL, errors.EXIT_INTERRUPTED}


def drawn() -> dict[str, str]:
    """Every class of the tree in the docstring, with the family it stands under."""
    tree: dict[str, str] = {}
    family = ""
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r" +(?:├─|└─) (\w+) (\d+)", line):
            family = tree[found[1]] = found[1]
        elif found := re.match(r" +│? +(?:├─|└─) (\w+)", line):
            tree[found[1]] = family
    return tree


def family_of(error: type[TagswarmError]) -> type[TagswarmError]:
    return next(family for family in FAMILIES if issubclass(error, family))


def test_every_class_is_defined_once_in_the_tree_of_the_docstring() -> None:
    assert drawn() == {error.__name__: family_of(error).__name__ for error in CLASSES[1:]}
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert defined == {error.__name__ for error in CLASSES}


def test_a_family_has_a_number_of_its_own() -> None:
    numbers = [family.exit_code for family in FAMILIES]
    assert len({TagswarmError.exit_code, *numbers, *SPECIAL}) == 1 + len(numbers) + len(SPECIAL)
    assert all(error.exit_code == family_of(error).exit_code for error in CLASSES[1:])
    for family in FAMILIES:
        assert re.search(rf"{family.__name__} {family.exit_code} ", errors.__doc__ or "")
        assert 1 < family.exit_code < 126, "a shell has a meaning of its own for these"


def made(error: type[TagswarmError]) -> TagswarmError:
    if error is errors.DigestMismatch:
        return errors.DigestMismatch("a/path", "expected", "actual")
    if error is errors.SizeMismatch:
        return errors.SizeMismatch("a/path", 1, 2)
    return error("what happened")


@pytest.mark.parametrize("error", CLASSES)
def test_an_error_says_what_and_what_to_do(error: type[TagswarmError]) -> None:
    failure = made(error)
    assert str(failure) == failure.message != ""
    assert re.fullmatch(r"[A-Z].*\.", failure.hint), "a hint is a sentence"
    assert re.fullmatch(r"[A-Z].*\.|release\.toml .*\.", (error.__doc__ or "").splitlines()[0])
    assert not isinstance(failure, ValueError)


@pytest.mark.parametrize(
    "error", [error for error in CLASSES if "__init__" not in vars(error) or error is TagswarmError]
)
def test_a_hint_of_the_place_comes_before_the_one_of_the_class(error: type[TagswarmError]) -> None:
    assert error("what", hint="Do this.").hint == "Do this."
    assert error("what").hint == error.default_hint


@pytest.mark.parametrize("error", CLASSES)
def test_an_error_travels_between_processes(error: type[TagswarmError]) -> None:
    failure = made(error)
    failure.hint = "Do this."
    back = pickle.loads(pickle.dumps(failure))
    assert type(back) is error
    assert vars(back) == vars(failure)
    assert str(back) == str(failure)


def test_parts_stay_typed() -> None:
    mismatch = errors.SizeMismatch("a/path", 1, 2)
    assert (mismatch.path, mismatch.expected, mismatch.actual) == ("a/path", 1, 2)
    assert errors.AuditFailed("what", findings=["missing-file"]).findings == ("missing-file",)

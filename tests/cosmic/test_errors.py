"""Errors: one tree, four things said, one line."""

from __future__ import annotations

import inspect
import re

import cosmic.errors
from cosmic.errors import CosmicError, InputError


def test_an_error_is_one_line_of_where_what_why_and_remedy() -> None:
    error = CosmicError("41 cells", where="layer 3", why="the limit is 40", remedy="make islands larger")
    assert str(error) == "layer 3: 41 cells - the limit is 40 - make islands larger"
    assert error.as_dict() == {
        "error": "CosmicError",
        "what": "41 cells",
        "where": "layer 3",
        "why": "the limit is 40",
        "remedy": "make islands larger",
    }


def test_what_is_not_said_leaves_no_gap() -> None:
    assert str(CosmicError("broken")) == "broken"


def test_the_tree_of_the_opening_lines_is_the_tree_of_the_classes() -> None:
    errors = {
        name: kind for name, kind in vars(cosmic.errors).items() if inspect.isclass(kind) and name != "annotations"
    }
    drawn = re.findall(r"^( *)- `(\w+)`", cosmic.errors.__doc__ or "", re.MULTILINE)
    assert {name for _, name in drawn} == set(errors)
    parents: list[str] = []
    for indent, name in drawn:
        depth = len(indent) // 4
        parents = [*parents[:depth], name]
        if depth:
            assert errors[name].__base__ is errors[parents[depth - 1]]


def test_input_errors_leave_with_2_and_others_with_1() -> None:
    assert InputError("x").exit_code == 2
    assert CosmicError("x").exit_code == 1

"""The table of names for those who come from TensorFlow: each name is there, and no name of the tape is left out."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import jitdiff as jd

PAGE = Path(__file__).parents[2] / "docs" / "coming_from_tensorflow.md"
ROWS = [
    tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]
NAMES = re.compile(r"\b(?:jd|np)(?:\.\w+)+(?:\([^)]*\))?")


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:40] for row in ROWS])
def test_names_are_there_and_take_these_parameters(row) -> None:
    found = NAMES.findall(row[1])
    assert found
    for text in found:
        path, _, parameters = text.partition("(")
        first, *rest = path.split(".")
        value = {"jd": jd, "np": np}[first]
        for name in rest:
            # A name that instances have is a slot, a property or an attribute that the constructor sets.
            value = getattr(value, name)
        names = [p.strip(" =") for p in parameters.rstrip(")").split(",") if p.strip()]
        if names:
            assert set(names) <= set(inspect.signature(value).parameters)


@pytest.mark.parametrize("cls", [jd.GradientTape, jd.ForwardAccumulator, jd.UnconnectedGradients])
def test_each_method_has_a_line_or_is_ours_alone(cls) -> None:
    ours = {"explain", "pull", "name", "value"}
    said = " ".join(row[1] for row in ROWS)
    for name in vars(cls) | (vars(jd.GradientTape.__base__) if cls is jd.GradientTape else {}):
        if not name.startswith("_") and name not in ours:
            assert f"jd.{cls.__name__}.{name}" in said


@pytest.mark.parametrize("row", [row for row in ROWS if row[0].startswith("`tape.") and "(" in row[0]])
def test_parameters_are_tensorflows(row) -> None:
    theirs = re.search(r"\((.*)\)", row[0])[1].split(", ")
    method = getattr(jd.GradientTape, re.search(r"GradientTape\.(\w+)", row[1])[1])
    assert list(inspect.signature(method).parameters) == ["self", *theirs]

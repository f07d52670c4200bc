"""The golden fixture itself."""

import pytest

from tests.golden.fixture import Golden, golden_path


def test_same_text_passes(tmp_path):
    Golden(tmp_path / "a.txt", update=True)("x = 1\ny = 2\n")
    Golden(tmp_path / "a.txt")("x = 1\ny = 2\n")


def test_other_text_fails_with_a_diff(tmp_path):
    Golden(tmp_path / "a.txt", update=True)("x = 1\ny = 2\n")
    with pytest.raises(AssertionError, match=r"(?s)pytest --update-golden.*-y = 2\n\+y = 3"):
        Golden(tmp_path / "a.txt")("x = 1\ny = 3\n")


def test_missing_file_fails(tmp_path):
    with pytest.raises(AssertionError, match="no golden file"):
        Golden(tmp_path / "a.txt")("x = 1\n")


def test_parts_have_files_of_their_own(tmp_path):
    update = Golden(tmp_path / "a.txt", update=True)
    update("value", "forward")
    update("gradient", "adjoint")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-adjoint.txt", "a-forward.txt"]
    Golden(tmp_path / "a.txt")("gradient", "adjoint")


def test_parametrised_names_make_file_names():
    assert golden_path("test_text[f64[2,3]/sum]").name == "test_text-f64-2-3-sum.txt"


def test_fixture_is_named_after_the_test(golden):
    assert golden.path.name == "test_fixture_is_named_after_the_test.txt"

"""The snippet runner itself."""

import pytest

from tests.docs.snippets import run_page


@pytest.fixture
def page(tmp_path):
    def write(text):
        path = tmp_path / "page.md"
        path.write_text(text.replace("'''", "```"))
        return path

    return write


def test_snippets_share_a_namespace_in_order(page):
    assert run_page(page("'''python\nx = 2\n'''\n\nand\n\n'''python\nprint(x)\n'''\n\n'''text\n2\n'''\n")) == 2


@pytest.mark.parametrize("info", ["text", "output", "python output"])
def test_other_output_fails_and_names_the_line(page, info):
    path = page(f"# Title\n\n'''python\nprint(2)\n'''\n\n'''{info}\n3\n'''\n")
    with pytest.raises(AssertionError, match=r"(?s)page\.md:8: Expected:\s+3\s+Got:\s+2"):
        run_page(path)


def test_dots_stand_for_anything(page):
    run_page(page("'''python\nprint('took 3.1 s', 'at 5')\n'''\n'''output\ntook ... s at 5\n'''\n"))


def test_text_further_on_is_not_output(page):
    run_page(page("'''python\nprint(2)\n'''\nA file:\n\n'''text\n3\n'''\n"))


def test_other_fences_are_left_alone(page):
    assert run_page(page("'''sh\nrm -r /\n'''\n\n'''\nplain\n'''\n")) == 0


def test_failing_snippet_fails_on_its_line(page):
    with pytest.raises(ZeroDivisionError) as caught:
        run_page(page("# Title\n\n'''python\nx = 1\n1 / 0\n'''\n"))
    assert caught.traceback[-1].path.name == "page.md"
    assert caught.traceback[-1].lineno + 1 == 5


def test_source_of_snippet_functions_can_be_read(page):
    source = "def f(x):\n    return x\n"
    snippet = f"import inspect\n\n{source}\nprint(inspect.getsource(f))\n"
    assert run_page(page(f"'''python\n{snippet}'''\n\n'''text\n{source}'''\n")) == 1


def test_indented_fences_lose_their_indent(page):
    assert (
        run_page(page("* item\n\n  '''python\n  if True:\n      print('in')\n  '''\n\n  '''text\n  in\n  '''\n")) == 1
    )

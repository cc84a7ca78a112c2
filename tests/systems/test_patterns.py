"""Bitmaps as text art: what is read, and faults that name file and line."""

import re

import numpy as np
import pytest

from pipeline.errors import CONFIG_WRONG
from pipeline.systems.patterns import bitmaps, inline, names
from tests.command import ROOT
from tests.contents import files

VOWELS, DIGITS = (str(ROOT / "data/patterns" / name) for name in ("vowels.txt", "digits.txt"))
TWO = "A:\n.#\n##\n\nB:\n##\n..\n"


@pytest.fixture
def write(tmp_path):
    """Text → path of a file that holds it."""

    def written(content, name="bitmaps.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return written


@pytest.mark.parametrize(("path", "expected"), [(VOWELS, "AEIOU"), (DIGITS, "0123456789")])
def test_the_papers_patterns_are_distinct_bitmaps_of_seven_rows_and_five_columns(path, expected):
    patterns = inline([path])
    assert names(patterns) == list(expected)
    pixels = bitmaps(patterns)
    assert pixels.shape == (len(expected), 7, 5)
    assert set(np.unique(pixels)) == {0, 1}
    assert len(np.unique(pixels, axis=0)) == len(expected)


def test_pixels_are_where_they_are_drawn():
    of_a = bitmaps(inline([VOWELS]))[0]
    np.testing.assert_array_equal(of_a[0], [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(of_a[1], [1, 0, 0, 0, 1])
    np.testing.assert_array_equal(of_a[3], [1, 1, 1, 1, 1])


def test_patterns_of_several_files_follow_each_other():
    assert names(inline([VOWELS, DIGITS])) == list("AEIOU0123456789")
    assert names(inline([DIGITS, VOWELS])) == list("0123456789AEIOU")


def test_inlined_patterns_stay_as_they_are():
    once = inline([VOWELS, DIGITS])
    assert inline(once) == once
    assert inline([once[0], DIGITS]) == [once[0], *once[5:]]


def test_how_a_file_is_laid_out_does_not_matter(write):
    plain = inline([write(TWO)])
    assert plain == ["A\n.#\n##", "B\n##\n.."]
    for same in (
        "# a comment\nA:\n.#\n##\nB:\n##\n..",
        "\n\nA:  \n.# \n##\n\n\nB:\n##\n..\n\n",
        TWO.replace("\n", "\r\n"),
    ):
        assert inline([write(same)]) == plain


BAD = {
    "ragged": ("A:\n.#\n###\n", 3, "2 pixels"),
    "other characters": ("A:\n.#\n.x\n", 3, "got other signs"),
    "a space within a row": ("A:\n# #\n. .\n", 3, "got other signs"),
    "duplicate name": (TWO + "\nA:\n#.\n#.\n", 9, "A again"),
    "duplicate pattern": (TWO + "\nC:\n.#\n##\n", 9, "that of A"),
    "wrong size": (TWO + "\nC:\n.##\n##.\n", 9, "2 × 2"),
    "rows before a name": ("\n.#\n##\nA:\n##\n..\n", 2, "before the first row"),
    "a name without rows": ("A:\n\nB:\n##\n..\n", 1, "A:"),
    "a name without rows at the end": (TWO + "\nC:\n", 9, "C:"),
    "empty": ("", None, "empty file"),
    "only a comment": ("# nothing\n\n", None, "empty file"),
    "binary": (bytes(range(128, 256)), None, "readable text"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_a_fault_with_file_and_line(case, write):
    content, line, said = BAD[case]
    path = write(content)
    where = f"{path}:" if line is None else f"{path}, line {line}:"
    with pytest.raises(ValueError, match=re.escape(where)) as raised:
        inline([path])
    assert said in str(raised.value)


def test_a_missing_file_or_a_folder_is_a_fault(tmp_path):
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(ValueError, match=re.escape(f"{path}: ")):
            inline([str(path)])


OTHER_FILE = {
    "wrong size": ("C:\n.##\n##.\n", "expected 2 × 2 pixels"),
    "duplicate name": ("A:\n#.\n..\n", "A again"),
    "duplicate pattern": ("C:\n.#\n##\n", "that of A"),
}


@pytest.mark.parametrize("case", OTHER_FILE)
def test_a_clash_across_files_names_the_later_one(case, write):
    content, said = OTHER_FILE[case]
    first, second = write(TWO), write(content, "others.txt")
    with pytest.raises(ValueError, match=re.escape(f"{second}, line 1: ")) as raised:
        inline([first, second])
    assert said in str(raised.value)


def test_rows_below_an_empty_line_have_no_name(write):
    path = write("A:\n.#\n\n##\n\nB:\n##\n..\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 4: ")):
        inline([path])


def test_an_empty_comment_is_no_row(write):
    assert inline([write("A:\n# \n#\n.\n")]) == ["A\n#\n."]


@pytest.mark.parametrize("text", ["A\n.#\n###", "A\n.#\n.x", "A\n"], ids=["ragged", "other characters", "no rows"])
def test_a_bad_pattern_given_as_text_is_a_fault_that_names_it(text):
    with pytest.raises(ValueError, match="pattern A"):
        inline([text])


# --- from the command line ----------------------------------------------------------------------------------


def request(root, patterns):
    listed = ",".join(map(str, patterns))
    return ["+sweep=network_evolution", f"store.root={root}", "action=status", f"settings.patterns=[{listed}]"]


def test_a_request_with_the_papers_patterns_is_accepted(tmp_path, main):
    ended = main(request(tmp_path, [VOWELS, DIGITS]))
    assert ended.err == ""
    assert "nothing stored yet" in ended.out


@pytest.mark.parametrize("patterns", [["missing.txt"], [VOWELS, VOWELS], []], ids=["missing", "twice", "none"])
def test_bad_patterns_are_a_fault_of_their_setting_and_touch_nothing(patterns, tmp_path, main):
    ended = main(request(tmp_path, patterns))
    assert (ended.code, ended.out) == (CONFIG_WRONG, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("error: settings.patterns: ")
    assert all(f"{name}" in line for name in patterns)
    assert files(tmp_path) == {}

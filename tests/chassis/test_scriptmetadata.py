"""Metadata in a script's comments."""

import pytest

from chassis.scriptmetadata import Metadata, MetadataError, read


@pytest.mark.parametrize(
    ("code", "dependencies", "line"),
    [
        ("print(1)\n", (), 0),
        ("#!/bin/x\n# /// script\n# dependencies = ['a']\n# ///\nprint(1)\n", ("a",), 2),
        ("# /// script\r\n# dependencies = [\r\n#   'a',\r\n# ]\r\n# ///", ("a",), 1),
        ("# /// script  \n#\n# dependencies = ['a']\n# /// \n", ("a",), 1),
        ("# /// script\n# dependencies = ['''\n# ///\n# ''']\n# ///\n", ("///\n",), 1),
        ("# /// other\n# x = 1\n# ///\n# /// script\n# dependencies = ['a']\n# ///\n", ("a",), 4),
        ("# /// script\n# dependencies = ['a']\nprint(1)\n# ///\n", (), 0),
        ("# /// script\n# ///\n", (), 0),
        ("  # /// script\n  # dependencies = ['a']\n  # ///\n", (), 0),
    ],
)
def test_a_block_is_found_where_the_specification_finds_it(
    code: str, dependencies: tuple[str, ...], line: int
) -> None:
    assert read(code) == Metadata(dependencies, "", line)


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        (
            "\n# /// script\n# dependencies = [\n# ///\n",
            4,
            r"^in the script's metadata block, line 4: this is no TOML: .*, where the block ends$",
        ),
        (
            "import os\n\n# /// script\n#\n# dependencies = [numpy]\n# ///\n",
            5,
            r"^in the script's metadata block, line 5, column 19: this is no TOML: Invalid value$",
        ),
        ("# /// script\n#\n# dependencies = 3\n# ///\n", 3, "line 3: dependencies is a list of strings"),
        ("# /// script\n# requires-python = 3\n# ///\n", 2, "line 2: requires-python is a string"),
        ("# /// script\n# x = 1\n# ///\n\n# /// script\n# x = 1\n# ///\n", 5, "a second block"),
        ("# /// script\n# x = 1\n# ///\n# /// script\n# x = 1\n# ///\n", 4, "a second block"),
    ],
)
def test_metadata_that_cannot_be_used_is_refused_with_its_line(code: str, line: int, says: str) -> None:
    with pytest.raises(MetadataError, match=says) as caught:
        read(code)

    assert caught.value.line == line


def test_blocks_that_nothing_closes_are_read_in_time() -> None:
    assert read("# /// script\n#\n" * 70_000) == Metadata()

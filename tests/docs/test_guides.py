"""The command blocks of every guide run one after the other, and print what the guide says."""

import re

import pytest

from tests.docs import guide

RUNNING = [path for path in guide.GUIDES if any(not block.reason for block in guide.blocks(path))]
NOT_RUN = {"README.md": 1, "contributor.md": 1, "operator.md": 3, "tester.md": 1}
"""How many blocks of each guide are not run. Each gives its reason in the comment above it."""


@pytest.mark.slow
@pytest.mark.parametrize("path", RUNNING if guide.tools() else [], ids=lambda path: path.stem)
def test_a_guide_does_what_it_says(path, tmp_path):
    printed = guide.run(path, tmp_path)
    for number, block in enumerate(guide.blocks(path)):
        place = printed[number]
        for line in filter(None, map(str.strip, block.output.splitlines())):
            pattern = ".*".join(map(re.escape, line.split("…")))
            match = re.search(pattern, place)
            assert match, f"{path.name} block {number} does not print: {line}\n{printed[number]}"
            place = place[match.end() :]


def test_blocks_that_do_not_run_are_known_by_number():
    counts = {path.name: sum(bool(block.reason) for block in guide.blocks(path)) for path in guide.GUIDES}
    assert {name: count for name, count in counts.items() if count} == NOT_RUN


def test_every_shell_block_is_read_as_one():
    for path in guide.GUIDES:
        assert path.read_text(encoding="utf-8").count("\n```sh\n") == len(guide.blocks(path)), path.name


def test_an_output_that_is_not_printed_fails(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```sh\necho one\n```\n\n<!-- exit 3 -->\n```sh\nexit 3\n```\n\n<!-- output -->\n```text\nx\n```\n")
    assert guide.run(page, tmp_path) == {0: "one\n", 1: ""}
    assert guide.blocks(page)[1].output == "x\n"
    page.write_text("```sh\nfalse\n```\n")
    with pytest.raises(AssertionError, match="page.md"):
        guide.run(page, tmp_path)

"""Words of others steer no terminal and no log, and turn nothing that is written after them."""

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import console, log, steering
from gateway.commands import main
from gateway.summary import document, page

OPENING, CLOSING = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068", "\u202c\u2069"
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"]
STEERING = [*CONTROLS, *OPENING, *CLOSING, "\u200e", "\u200f", "\u061c"]


@pytest.mark.parametrize("character", STEERING, ids=lambda character: f"U+{ord(character):04X}")
def test_a_terminal_and_a_log_get_no_steering_character(character, capsys):
    words = f"a{character}[2Jb"
    assert steering.plain(words) == "a\ufffd[2Jb"
    terminal = console._Console(file=io.StringIO(), force_terminal=True, width=80)
    terminal.print(console.Text(words), markup=False)
    assert character not in terminal.file.getvalue()
    assert character not in log._line({"event": words})


def test_an_error_that_repeats_a_name_steers_nothing_and_stays_one_line(tmp_path, capsys):
    """A control in the name of a file that was typed."""
    name = tmp_path / "a\x1b[2J\x9b\u202eb\ngateway: all is well.json"
    assert main(["validate", str(name)]) == 2
    err = capsys.readouterr().err
    assert not {*STEERING} & {*err}
    assert len([line for line in err.splitlines() if line.startswith("gateway")]) == 1


text = st.text(st.sampled_from([*OPENING, *CLOSING, "\u200f", "a", "\u05d0", "\n", "1"]))


@given(text)
def test_what_a_page_shows_leaves_no_direction_open_and_closes_none_of_the_pages(words):
    for part in steering.isolated(words).split("\n"):
        depth: list[str] = []
        for character in part:
            if character in OPENING:
                depth.append("\u2069" if character in "\u2066\u2067\u2068" else "\u202c")
            elif character in CLOSING:
                assert depth.pop() == character
        assert not depth
    assert [c for c in steering.isolated(words) if c not in OPENING + CLOSING] == [
        c for c in words if c not in OPENING + CLOSING
    ]


@pytest.mark.hazard("HZ-SUMMARY-42")
@pytest.mark.parametrize("character", [*OPENING, "\u200f"], ids=lambda character: unicodedata.name(character))
def test_the_page_and_the_document_isolate_a_direction_control(character):
    words = f"Warfarin {character}5 mg"
    for text in (
        document.escape(words),
        str(page.dated(words)),
        page._templates().from_string("{{ x }}").render(x=words),
    ):
        assert text.startswith("\u2068") and text.endswith("\u2069")
    assert document.escape("a\x9bb") == "a\ufffdb"

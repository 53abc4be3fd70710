"""The framer: any cut of the bytes gives the same frames, nothing else makes one, and no bytes break or stall it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.intake.listen.framing import Framer, TooLong

A, B = b"MSH|^~\\&|A\rPID|1\r", b"MSH|^~\\&|B\r"
VT, END = b"\x0b", b"\x1c\r"
LONGEST = 1 << 12

CASES = [
    # bytes, frames, slips
    (VT + A + END, [VT + A + b"\x1c"], {}),
    (VT + A + END + VT + B + END, [VT + A + b"\x1c", VT + B + b"\x1c"], {}),
    (b"\r\n" + VT + A + END + b"\n\x00 " + VT + B + END, [VT + A + b"\x1c", VT + B + b"\x1c"], {}),
    (VT + A + b"\x1c" + VT + B + END, [VT + A + b"\x1c", VT + B + b"\x1c"], {"end": 1}),
    (A + END, [A + b"\x1c"], {"start": 1}),
    (b"BHS|^~\\&|A\r" + END, [b"BHS|^~\\&|A\r\x1c"], {"start": 1}),
    (b"GET / HTTP/1.1\r\n" + VT + A + END, [VT + A + b"\x1c"], {"stray": 1}),
    (A + VT + B + END, [VT + B + b"\x1c"], {"cut": 1}),
    (VT + A + VT + B + END, [VT + B + b"\x1c"], {"cut": 1}),
    (VT + A + b"OBX|1|TX|a\x0bb\r" + END, [VT + A + b"OBX|1|TX|a\x0bb\r\x1c"], {}),
    (VT + A + b"OBX|\x1c|\r" + END, [VT + A + b"OBX|\x1c|\r\x1c"], {}),
    (VT + A, [], {}),
    (VT + A + b"\x1c", [], {}),
    (VT + END, [VT + b"\x1c"], {}),
    (b"xMSH|^~\\&|A\r" + END + VT + A + END, [VT + A + b"\x1c"], {"stray": 1}),
    (b"MS", [], {}),
    (b"", [], {}),
]


def frames(pieces, longest=LONGEST):
    framer = Framer(longest)
    return [frame for piece in pieces for frame in framer.feed(piece)], +framer.slips, framer


@pytest.mark.hazard("HZ-FEED-10")
@pytest.mark.parametrize("data, expected, slips", CASES)
def test_what_a_frame_is(data, expected, slips):
    assert frames([data])[:2] == (expected, slips)
    assert frames([bytes([byte]) for byte in data])[:2] == (expected, slips), "a byte at a time"


@pytest.mark.hazard("HZ-FEED-10")
@given(st.lists(st.sampled_from([VT, A, B, b"\x1c", b"\r", END, b"x", b"MSH", b"\n"]), max_size=12), st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_cut_of_the_bytes_gives_the_same_frames(parts, data):
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=5)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)])]
    assert frames(pieces)[:2] == frames([whole])[:2]
    assert all(frame.endswith(b"\x1c") and frame[:1] in (VT, b"M") for frame in frames([whole])[0])


@given(st.lists(st.binary(max_size=300), max_size=20))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_bytes_break_it_and_it_never_holds_more_than_it_may(pieces):
    framer = Framer(100)
    for piece in pieces:
        try:
            for frame in framer.feed(piece):
                assert len(frame) <= 102 and frame.endswith(b"\x1c")
        except TooLong as fault:
            assert fault.start
            return
        assert framer.size <= 101


@pytest.mark.parametrize("filling", [b"x", b"\x0b", b"\x1c", b"\x0bMSH", b"\r", b"MSH|\r"])
def test_a_megabyte_by_small_pieces_takes_no_time(filling):
    framer, started = Framer(1 << 21), time.process_time()
    list(framer.feed(VT + A))
    piece = (filling * 64)[:64]
    for _ in range(1 << 14):
        list(framer.feed(piece))
    list(framer.feed(END))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("end", [b"", END])
def test_a_message_that_is_too_long_is_told_with_its_beginning(end):
    with pytest.raises(TooLong) as told:
        frames([VT + A + b"x" * LONGEST + end])
    assert told.value.start.startswith(VT + A)

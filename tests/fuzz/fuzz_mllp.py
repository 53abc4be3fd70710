"""MLLP: whatever a connection sends, and in whatever pieces, it becomes the same frames, within the bound."""

from __future__ import annotations

from gateway.intake.listen.framing import CR, FS, VT, Framer, TooLong

MODULES = ("gateway.intake.listen.framing",)
LONGEST = 512
FAULTS: tuple[bytes, ...] = ()


def SEEDS() -> list[bytes]:
    message = b"MSH|^~\\&|A|B|C|D|202401010101||ADT^A01|1|P|2.4\rPID|1||9990000018\r"
    return [
        VT + message + FS + CR, VT + message + FS + VT + message + FS + CR, message + FS + CR, b"\r\n" + VT + message,
        b"stray" + VT + message + FS + CR, VT + b"x" * 600, VT + VT + FS + FS + CR,
    ]  # fmt: skip


def target(data: bytes) -> None:
    if not data:
        return
    size = data[0] % 7 + 1
    sent = data[1:]
    whole = framed([sent])
    assert all(len(frame) <= LONGEST + 2 for frame in whole[0])
    pieces = framed([sent[start : start + size] for start in range(0, len(sent), size)])
    if not whole[1] and not pieces[1]:
        assert whole[0] == pieces[0], "frames depend on how the bytes were cut"


def framed(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    """The frames of a connection, and whether it was too long."""
    framer, frames = Framer(LONGEST), []
    try:
        for piece in pieces:
            frames += framer.feed(piece)
    except TooLong:
        return frames, True
    assert framer.size <= LONGEST + len(pieces[-1]) if pieces else True
    return frames, False

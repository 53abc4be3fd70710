"""Cuts what a connection sends into MLLP frames: VT, a message, FS and CR. Pure, and bounded in memory.

Source: HL7 v2 Transport Specification: MLLP, Release 1 (https://www.hl7.org/implement/standards/product_brief.cfm?
product_id=55). A sender's slips that leave no doubt are read all the same: line ends between frames, an FS without its
CR before the next VT, and a message that begins without its VT.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

VT, FS, CR = b"\x0b", b"\x1c", b"\r"
BETWEEN = b"\r\n\x00 "
"""What may stand between two frames without a meaning."""
BEGINS = (b"MSH", b"FHS", b"BHS")
END_SIGNS = FS + CR, FS + VT
KEPT_OF_LONG = 1 << 12
"""Bytes kept of a message that is too long: enough for its header, which the refusal answers."""


class TooLong(Exception):
    """A message is longer than the listener takes. ``start`` is its beginning. The connection must be closed."""

    def __init__(self, start: bytes):
        super().__init__("a frame that is too long")
        self.start = start


class Framer:
    """The bytes of one connection. ``slips`` counts what was not as the specification says, by what it was."""

    def __init__(self, longest: int):
        self._longest = longest
        self._buffer = bytearray()
        self._seen = 0
        self._is_stray = False
        self.slips: Counter[str] = Counter()

    @property
    def size(self) -> int:
        """Bytes of a frame that has begun and not ended."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each frame that ``data`` completes, from its VT to its FS. One that began without VT has none. Raises
        ``TooLong``."""
        self._buffer += data
        while self._to_start():
            end = self._end()
            if end < 0:
                if len(self._buffer) > self._longest:
                    raise TooLong(bytes(self._buffer[:KEPT_OF_LONG]))
                return
            if end > self._longest:
                raise TooLong(bytes(self._buffer[:KEPT_OF_LONG]))
            frame = bytes(self._buffer[: end + 1])
            is_whole = self._buffer[end + 1 : end + 2] == CR
            self.slips["end"] += not is_whole
            del self._buffer[: end + 1 + is_whole]
            self._seen = 0
            yield self._without_restart(frame)

    def _to_start(self) -> bool:
        """Drop what stands before the next frame; return whether one has begun."""
        if self._seen:
            return True
        if not self._is_stray:
            del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(BETWEEN))]
            if self._may_begin():
                return len(self._buffer) >= len(BEGINS[0])
        start = self._buffer.find(VT)
        if start:
            self.slips["stray"] += bool(self._buffer) and not self._is_stray
            self._is_stray |= bool(self._buffer)
            del self._buffer[: start if start > 0 else len(self._buffer)]
        self._is_stray &= not self._buffer
        return bool(self._buffer)

    def _may_begin(self) -> bool:
        """Whether a message begins here without VT, or may, once more of it is here."""
        start = bytes(self._buffer[: len(BEGINS[0])])
        return bool(start) and any(name.startswith(start) for name in BEGINS)

    def _end(self) -> int:
        """The place of the FS that ends the frame; -1 where it is not here yet. It is searched once only."""
        ends = [self._buffer.find(sign, max(self._seen - 1, 0)) for sign in END_SIGNS]
        self._seen = len(self._buffer)
        return min((end for end in ends if end >= 0), default=-1)

    def _without_restart(self, frame: bytes) -> bytes:
        """The last message of a frame that was begun again: its sender gave the one before up. A VT inside a text is a
        line break of a word processor, and begins none."""
        start = max(frame.rfind(VT + name) for name in BEGINS)
        if start > 0:
            self.slips["cut"] += 1
            return frame[start:]
        self.slips["start"] += frame[:1] != VT
        return frame

"""Cuts a file into its messages, and compares how many there are with what its batch trailers say.

A file is FHS, batches and FTS; a batch is BHS, messages and BTS; all four are optional (HL7 v2.4 §2.15.3). BTS-1
counts the messages of the batch, FTS-1 the batches of the file. What is missing cannot be kept, so it is said: a
reject without a message in it. What is there is read all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TextIO

from mappings import Reject
from mappings.readers.files import File

BATCH = ("FHS", "BHS", "BTS", "FTS")
NOT_AS_MANY = "not as many messages as its trailer says"
NO_TRAILER = "no trailer (cut off?)"


class Part(NamedTuple):
    """One message of a file: its number there, the line it begins on, and its bytes; None for one that is too long."""

    number: int
    line: int
    payload: bytes | None


def parts(file: File, longest: int) -> Iterator[Part | Reject]:
    """Yield the messages of a file, streaming, and a reject for each batch that is not whole.

    Of a message of more than ``longest`` characters no more is held. Latin-1 maps each byte to one character and back,
    so that the file can be read by lines before its character set is known, and a message is its bytes as sent.
    """
    count = _Count()
    number, start, size = 0, 1, 0
    lines: list[str] = []
    is_inside = False
    with file.text("iso-8859-1") as text:
        for at, line in enumerate(_lines(text, longest), 1):
            begins = line.lstrip("\x0b\x1c \xef\xbb\xbf")[:3]
            if begins in ("BHS", "FHS") and _stands_inside(lines, line):
                is_inside = True
                yield from count.see(begins, line)
            elif begins == "MSH" or begins in BATCH:
                is_inside = False
                if lines:
                    number += 1
                    yield Part(number, start, _joined(lines, size, longest))
                yield from count.see(begins, line)
                start, size, lines = at, len(line), ([line] if begins == "MSH" else [])
            elif lines or line.strip("\x0b\x1c\x1a\r\n "):
                count.messages += is_inside and bool(line.strip())
                is_inside = is_inside and not line.strip()
                size = size + len(line) if lines else len(line)
                start = start if lines else at
                if size <= longest or not lines:
                    lines.append(line)
    if lines:
        yield Part(number + 1, start, _joined(lines, size, longest))
    yield from count.end()


def _stands_inside(lines: list[str], header: str) -> bool:
    """Whether a header of a batch stands inside a message: before its PID, and of the same sender and receiver (MSH-3
    to MSH-6). A batch begins before its first message, so that nothing else can be meant; another message begins with
    MSH."""
    names = [line.lstrip("\x0b\x1c \xef\xbb\xbf")[:3] for line in lines]
    if not names or names[0] != "MSH" or set(names) - {"MSH", "EVN"}:
        return False
    sign = lines[0].partition("MSH")[2][:1]
    ours, theirs = lines[0].split(sign)[2:6], header.split(sign)[2:6]
    return ours == theirs and any(ours)


@dataclass
class _Count:
    """How many messages and batches there were so far, and which trailers are still to come."""

    batch: int = 0
    messages: int = 0
    file_batches: int = 0
    wants: list[str] = field(default_factory=list)

    def see(self, name: str, line: str) -> Iterator[Reject]:
        """Take the first segment of a message, a header or a trailer."""
        if name == "MSH":
            self.messages += 1
        elif name in ("FHS", "BHS"):
            yield from self._open(name)
        else:
            yield from self._close(name, line)

    def _open(self, name: str) -> Iterator[Reject]:
        if name in self.wants:
            yield from self._unclosed(name)
        self.wants.append(name)
        if name == "BHS":
            self.batch, self.messages = self.batch + 1, 0
            self.file_batches += 1
        else:
            self.messages = self.file_batches = 0

    def _close(self, name: str, line: str) -> Iterator[Reject]:
        header = "BHS" if name == "BTS" else "FHS"
        if name == "FTS" and "BHS" in self.wants:
            yield from self._unclosed("BHS")
        if header in self.wants:
            del self.wants[self.wants.index(header) :]
        elif name == "BTS":
            self.batch, self.file_batches = self.batch + 1, self.file_batches + 1
        there = self.messages if name == "BTS" else self.file_batches
        said = _first_field(line)
        if said is not None and said != there:
            yield Reject(f"{name}-1 of {self._shown(name)} ({said} said, {there} there)", _wrong(name))
        self.messages = 0
        if name == "FTS":
            self.file_batches = 0

    def _unclosed(self, header: str) -> Iterator[Reject]:
        del self.wants[self.wants.index(header) :]
        trailer = "BTS" if header == "BHS" else "FTS"
        yield Reject(f"{trailer} of {self._shown(trailer)}", NO_TRAILER)

    def _shown(self, trailer: str) -> str:
        return f"batch {self.batch}" if trailer == "BTS" else "the file"

    def end(self) -> Iterator[Reject]:
        """Say which trailers never came. A header of the file alone, without one of a batch, promises none: some
        senders put it before each message."""
        for header in ("BHS", "FHS") if self.file_batches else ():
            if header in self.wants:
                yield from self._unclosed(header)


def _wrong(trailer: str) -> str:
    return NOT_AS_MANY if trailer == "BTS" else "not as many batches as its trailer says"


def _first_field(line: str) -> int | None:
    """Return the count of a trailer; None where it gives none that is a number."""
    trailer = line.lstrip("\x0b\x1c \xef\xbb\xbf").rstrip("\r\n\x1c ")
    fields = trailer.split(trailer[3:4] or "|")
    said = fields[1].strip() if len(fields) > 1 else ""
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else None


def _lines(text: TextIO, longest: int) -> Iterator[str]:
    """Yield the lines. Of one that is too long for a message, no more is held than shows it."""
    while line := text.readline(longest + 1):
        yield line
        while line and not line.endswith(("\r", "\n")):
            line = text.readline(longest)


def _joined(lines: list[str], size: int, longest: int) -> bytes | None:
    return None if size > longest else "".join(lines).encode("iso-8859-1")

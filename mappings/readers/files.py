"""The files of a delivery, on disk or in a zip: opened, read whole once, and found to be text of the right encoding.

>>> import tempfile, pathlib
>>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
>>> _ = path.write_bytes("name\\nZoë\\n".encode("cp1252"))
>>> whole(File(path, encodings=("utf-8", "cp1252"))).encoding
'cp1252'
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, cast

from gateway.errors import Refused
from mappings.readers.gzipped import ENDING, Gzipped, is_gzip
from mappings.readers.zip import DAMAGE, Archive

CHUNK = 1 << 17
"""Bytes read at a time."""
HEAD = 1 << 13
"""Bytes read at a time where only the beginning of a file is wanted."""
NEWLINE = b"\n"
Watch = Callable[[bytes], None]
"""Called with every piece of a file as it is read, and with nothing at its end."""


@dataclass(frozen=True)
class File:
    """One file of a delivery.

    ``member`` is its name in the zip at ``path``, or "". ``encodings`` are those that its text may have, the first
    that fits being meant; none for a file that the source decodes itself. ``whole`` leaves the one that fits.
    ``is_gzip`` says that it is compressed by itself: its name has no ``.gz`` then.
    ``number`` is its place in the delivery, by name; ``title`` what the source knows it by, in words of the source's
    format. ``content`` is what it holds, where that is at hand and not on
    disk. ``archive`` is the zip, which all its files share, and
    ``member_size`` what its list of files says. ``beside`` is another file of the delivery without which this one
    cannot be read as it is meant.
    """

    path: Path
    member: str = ""
    encodings: tuple[str, ...] = ()
    watch: Watch | None = field(default=None, compare=False)
    is_survey: bool = field(default=False, compare=False)
    number: int = field(default=1, compare=False)
    title: str = field(default="", compare=False)
    content: bytes | None = field(default=None, compare=False, repr=False)
    archive: Archive | None = field(default=None, compare=False, repr=False)
    member_size: int = field(default=0, compare=False)
    is_gzip: bool = field(default=False, compare=False)
    beside: File | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The file's own name, without its folders."""
        name = (self.member or self.path.name).rpartition("/")[2]
        return name[: -len(ENDING)] if self.is_gzip and name.lower().endswith(ENDING) else name

    @property
    def shown(self) -> str:
        """What a message calls the file: its number in the delivery, and its ``title``. Its own name may hold anybody's
        name or number."""
        return f"file {self.number} ({self.title})" if self.title else f"file {self.number}"

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return Path(self.name).stem

    @property
    def size(self) -> int:
        """Bytes of the file as it is read; of one that is compressed by itself, as it lies there."""
        if self.content is not None:
            return len(self.content)
        return self.member_size if self.member else self.path.stat().st_size

    @property
    def encoding(self) -> str:
        """The encoding of the text. Raises ``ValueError`` where several are possible and ``whole`` was not asked."""
        if len(self.encodings) != 1 and not self.is_survey:
            raise ValueError("the encoding of the file is not known yet")
        return self.encodings[0]

    def open(self, chunk: int = CHUNK) -> io.BufferedReader:
        """Open the bytes for reading. Raises ``Refused`` for a file that cannot be read, here or while it is."""
        return io.BufferedReader(_Stream(self), chunk)

    def text(self, encoding: str = "", newline: str | None = "") -> io.TextIOWrapper:
        """Open the text for reading; a byte order mark is no part of it. ``encoding`` is given by a source that decodes
        for itself."""
        errors = "replace" if self.is_survey else "strict"
        return io.TextIOWrapper(self.open(), with_mark(encoding or self.encoding), errors, newline)

    def survey(self, watch: Watch) -> File:
        """Return the file for a reading whose words do not matter: its encoding may still be any of several."""
        return replace(self, watch=watch, is_survey=True)


class _Stream(io.RawIOBase):
    """The bytes of a file, shown to its watch on the way."""

    def __init__(self, file: File):
        self._file = file
        self._own = Archive(file.path) if file.member and not file.archive else None
        try:
            archive = file.archive or self._own
            self._inner = _opened(file, archive)
        except (KeyError, *DAMAGE):
            self._close_own()
            raise self._refusal() from None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            count: int = self._inner.readinto(buffer)  # type: ignore[attr-defined]
        except DAMAGE:
            raise self._refusal() from None
        if self._file.watch:
            self._file.watch(bytes(buffer[:count]))
        return count

    def close(self) -> None:
        if not self.closed and hasattr(self, "_inner"):
            self._inner.close()
            self._close_own()
        super().close()

    def _close_own(self) -> None:
        if self._own:
            self._own.close()

    def _refusal(self) -> Refused:
        is_packed = self._file.is_gzip and not self._file.member
        fault = "damaged in the zip" if self._file.member else "damaged, cut off or too large" if is_packed else ""
        return Refused(f"{self._file.shown}: {fault or 'cannot be read'}")


def _opened(file: File, archive: Archive | None) -> IO[bytes]:
    if file.content is not None:
        return io.BytesIO(file.content)
    if archive and file.member:
        return archive.open(file.member)
    return cast(IO[bytes], Gzipped(file.path)) if file.is_gzip else file.path.open("rb", buffering=0)


class Survey:
    """Reads along: finds the encoding of a text among those that it may have, and counts its lines.

    Raises ``Refused`` naming the line at which the last of them fails, or that holds a NUL byte.
    """

    def __init__(self, file: File):
        self._file, self._lines = file, 1
        try:
            self._decoders = {name: codecs.getincrementaldecoder(name)() for name in file.encodings}
        except LookupError:
            raise Refused(f"{file.shown}: the feed's encoding is not known") from None

    def see(self, chunk: bytes) -> None:
        """Take the next bytes in; none at the end."""
        fault = None
        for name, decoder in list(self._decoders.items()):
            try:
                decoder.decode(chunk, not chunk)
            except UnicodeDecodeError as error:
                line = self._lines + error.object[: error.start].count(NEWLINE)
                fault = f"{self._file.shown}: line {line}: not {name}"
                del self._decoders[name]
        if not self._decoders and fault:
            raise Refused(fault)
        if self._file.encodings and b"\0" in chunk:
            line = self._lines + chunk[: chunk.index(0)].count(NEWLINE)
            raise Refused(f"{self._file.shown}: line {line}: a NUL byte")
        self._lines += chunk.count(NEWLINE)

    @property
    def file(self) -> File:
        """The file with the first encoding that fits all that was seen."""
        return replace(self._file, encodings=tuple(self._decoders)[:1])


def delivered(path: Path, suffixes: Collection[str] = (), encodings: tuple[str, ...] = ()) -> list[File]:
    """Return the files at ``path`` (of these ``suffixes``): it, a folder's or a zip's, in order of name, hidden ones
    left out. One that is compressed by gzip is read as what it holds.

    Raises ``Refused`` naming one that cannot be read: a delivery is never taken without one of its files.
    """
    if path.is_dir():
        paths = sorted(file for file in path.rglob("*") if (file.is_file() or file.is_symlink()) and not file.is_dir())
        files = [File(file, encodings=encodings, is_gzip=is_gzip(file)) for file in paths]
    elif is_zip(path):
        archive = Archive(path)
        files = [
            File(path, entry.filename, encodings, archive=archive, member_size=entry.file_size)
            for entry in archive.members()
        ]
    else:
        return [_readable(File(path, encodings=encodings, is_gzip=is_gzip(path)))]
    visible = [file for file in files if not file.name.startswith(".")]
    wanted = [file for file in visible if not suffixes or Path(file.name).suffix.lower() in suffixes]
    return [_readable(replace(file, number=number)) for number, file in enumerate(wanted, 1)]


def is_zip(path: Path) -> bool:
    """Whether the file at ``path`` is a zip, by its first bytes."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(4) in (b"PK\3\4", b"PK\5\6")
    return False


def _readable(file: File) -> File:
    file.open().close()
    return file


def whole(file: File) -> File:
    """Read the file to its end and return it with its encoding known. Raises ``Refused`` as ``Survey`` does.

    A file on disk that its source decodes is not read: there is nothing to find out. One that is compressed may be
    damaged.
    """
    if not (file.encodings or file.member or file.is_gzip):
        return file
    survey = Survey(file)
    with file.survey(survey.see).open() as stream:
        while stream.read(CHUNK):
            pass
    return survey.file


def without_watch(file: File) -> File:
    """Return the file for a second look at its beginning, which nobody counts."""
    return replace(file, watch=None)


def with_mark(encoding: str) -> str:
    """Return the encoding that passes over the byte order mark some programs put before UTF-8."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding

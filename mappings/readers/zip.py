"""Zip archives: which files one holds, once it is known to be harmless, and their bytes.

Nothing is written to disk: a member is decompressed as it is read, and never beyond the size that it declares.
"""

from __future__ import annotations

import stat
import struct
import zlib
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from gateway.errors import Refused

MOST_FILES = 10_000
LARGEST = 1 << 36
"""Bytes of all files together, decompressed: 64 GiB."""
RATIO = 200
"""Bytes that one compressed byte may become. Extracts of text reach 40; a bomb begins at 1,000."""
SMALL = 1 << 20
"""Files and archives that become no more than this are let off the ratio."""
METHODS = frozenset({ZIP_STORED, ZIP_DEFLATED})
"""Methods of compression that are read. Python bounds what it decompresses at a time for these two alone."""
OTHER_METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
ARCHIVES = frozenset({".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst", ".jar", ".cab"})
DAMAGE = (
    BadZipFile, zlib.error, LZMAError, OSError, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error
)  # fmt: skip
"""What ``zipfile`` raises for an archive that is damaged, or made in a way that it does not read."""
_ENCRYPTED = 1


class Archive:
    """A zip that is opened once, however many of its files are read.

    It stays open until it is closed or no file refers to it. A copy in another process opens the zip there.
    """

    def __init__(self, path: Path):
        self._path = path
        self._zip: ZipFile | None = None

    def __reduce__(self) -> tuple[type[Archive], tuple[Path]]:
        return Archive, (self._path,)

    def members(self) -> list[ZipInfo]:
        """Return the files in the zip, in order of name; folders are left out.

        Raises ``Refused`` for an archive that is damaged, encrypted, too large or nested, that is compressed by another
        method than deflate, or that holds a link, a path that leads outside, or one name twice.
        """
        try:
            entries = self._opened().infolist()
            size = self._path.stat().st_size
        except DAMAGE:
            self.close()
            raise Refused("the zip cannot be read") from None
        if fault := _fault(entries, size):
            self.close()
            raise Refused(f"the zip: {fault}")
        files = [entry for entry in entries if not entry.is_dir()]
        return sorted(files, key=lambda entry: PurePosixPath(entry.filename))

    def open(self, member: str) -> IO[bytes]:
        """Open one file for reading. Raises one of ``DAMAGE``."""
        return self._opened().open(member)

    def close(self) -> None:
        """Close the zip; it is opened again when it is needed."""
        if self._zip:
            self._zip.close()
        self._zip = None

    def _opened(self) -> ZipFile:
        if self._zip is None:
            self._zip = ZipFile(self._path)
        return self._zip


def _fault(entries: list[ZipInfo], size: int) -> str:
    """What is wrong with an archive of these entries and ``size`` bytes, "" for nothing. No name is told."""
    if len(entries) > MOST_FILES:
        return f"more than {MOST_FILES:,} files"
    total = sum(entry.file_size for entry in entries)
    if total > LARGEST or (total > SMALL and total > RATIO * size):
        return "too large when decompressed"
    names = [entry.filename.casefold() for entry in entries]
    if len(set(names)) < len(names):
        return "one name twice"
    for number, entry in enumerate(entries, 1):
        if fault := _entry_fault(entry):
            return f"file {number}: {fault}"
    return ""


def _entry_fault(entry: ZipInfo) -> str:
    name = PurePosixPath(entry.filename)
    if not entry.filename:  # ``zipfile`` asks for its last character
        return "no name"
    if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or ":" in entry.filename:
        return "a path that leads outside"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "a link"
    if entry.flag_bits & _ENCRYPTED:
        return "encrypted"
    if entry.compress_type not in METHODS:
        method = OTHER_METHODS.get(entry.compress_type, f"method {entry.compress_type}")
        return f"compressed by {method}: only stored and deflated files are read"
    if name.suffix.lower() in ARCHIVES:
        return "an archive in an archive"
    if entry.file_size > SMALL and entry.file_size > RATIO * entry.compress_size:
        return "too large when decompressed"
    return ""

"""Zip archives: which files one holds, once it is known to be harmless.

Nothing is written to disk: a member is decompressed as it is read, and never beyond the size that it declares.
"""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from gateway.errors import Refused

MOST_FILES = 10_000
LARGEST = 1 << 36
"""Bytes of all files together, decompressed: 64 GiB."""
RATIO = 200
"""Bytes that one compressed byte may become. Extracts of text reach 40; a bomb begins at 1,000."""
SMALL = 1 << 20
"""Files and archives that become no more than this are let off the ratio."""
METHODS = frozenset({ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA})
ARCHIVES = frozenset({".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst", ".jar", ".cab"})
_ENCRYPTED = 1


def members(path: Path) -> list[str]:
    """Return the names of the files in the zip, in order; folders are left out.

    Raises ``Refused`` for an archive that is damaged, encrypted, too large or nested, or that holds a link, a path that
    leads outside, or one name twice.
    """
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        raise Refused(f"{path.name}: not a zip that can be read") from None
    fault = _fault(entries, path.stat().st_size)
    if fault:
        raise Refused(f"{path.name}: {fault}")
    return sorted((entry.filename for entry in entries if not entry.is_dir()), key=lambda name: PurePosixPath(name))


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
    if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or ":" in entry.filename:
        return "a path that leads outside"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "a link"
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in METHODS:
        return "encrypted, or compressed in a way that is not read"
    if name.suffix.lower() in ARCHIVES:
        return "an archive in an archive"
    if entry.file_size > SMALL and entry.file_size > RATIO * entry.compress_size:
        return "too large when decompressed"
    return ""

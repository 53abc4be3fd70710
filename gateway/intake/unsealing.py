"""Files that are encrypted with PGP: decrypted by ``gpg`` with the operator's keys, and their signature checked.

https://www.gnupg.org/documentation/manuals/gnupg/, https://github.com/gpg/gnupg/blob/master/doc/DETAILS (status lines).
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from gateway import durable
from gateway.errors import Refused
from mappings import Feed
from mappings.readers.zip import LARGEST, RATIO, SMALL

ENDINGS = (".gpg", ".pgp", ".asc")
CHUNK = 1 << 18
WHY = {
    "NO_SECKEY": "no secret key of the keyring decrypts it",
    "BAD_PASSPHRASE": "the passphrase does not open the key",
    "MISSING_PASSPHRASE": "the key needs a passphrase: passphrase_file of pgp",
    "BADSIG": "the signature is not of what was sent",
    "EXPSIG": "its signature has expired",
    "EXPKEYSIG": "the key of its signature has expired",
    "REVKEYSIG": "the key of its signature is revoked",
    "BADMDC": "it was changed on its way, or damaged",
    "NODATA": "it is not encrypted with PGP",
}
"""gpg's words for what went wrong, and ours."""
FATAL = ("BADMDC", "BADSIG", "REVKEYSIG", "EXPKEYSIG", "EXPSIG")
"""Those that no other word excuses: gpg also says NO_SECKEY of every further recipient of a file that it decrypts, and
VALIDSIG of a signature whose key is revoked."""
QUIET_SECONDS = 300
"""How long gpg may bring nothing: it may wait for somebody who types a passphrase, or for an agent that hangs."""
PREFIX = b"[GNUPG:] "
BAD_PASSPHRASE = 11
"""libgpg-error's number, in the low 16 bits of an error."""


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``pgp`` table of a feed: whose keyring (the operator's own where nothing is said), the file that holds the
    passphrase, and the fingerprints of the keys that must have signed; none where no signature is asked for."""

    homedir: str = ""
    passphrase_file: str = ""
    signed_by: tuple[str, ...] = ()


def keys(feed: Feed) -> Keys:
    """Return the ``pgp`` table of a feed. Raises ``Refused`` naming what cannot be used."""
    table, place = feed.settings.get("pgp", {}), f"GATEWAY_FEEDS: {feed.name}: pgp"
    try:
        rules = msgspec.convert(table, Keys)
    except msgspec.ValidationError:
        raise Refused(f"{place} takes homedir, passphrase_file and signed_by") from None
    if rules.homedir and not Path(rules.homedir).is_dir():
        raise Refused(f"{place}: homedir is no folder")
    if rules.passphrase_file and not Path(rules.passphrase_file).is_file():
        raise Refused(f"{place}: passphrase_file is no file")
    if any(len(_hex(fingerprint)) not in (40, 64) for fingerprint in rules.signed_by):
        raise Refused(f"{place}: signed_by takes whole fingerprints")
    return rules


def is_sealed(name: str) -> bool:
    """Whether a file of this name is encrypted."""
    return name.lower().endswith(ENDINGS)


def clear_name(name: str) -> str:
    """The name without what says that it is encrypted.

    >>> clear_name("a/b.csv.GPG"), clear_name("b.csv")
    ('a/b.csv', 'b.csv')
    """
    return name[:-4] if is_sealed(name) else name


def require_gpg() -> str:
    """Return the program. Raises ``Refused`` where there is none."""
    program = shutil.which("gpg")
    if program is None:
        raise Refused("gpg is not installed: encrypted files cannot be read")
    return program


def unseal(path: Path, to: Path, rules: Keys, shown: str) -> None:
    """Decrypt a file into a new one, for its owner only. Raises ``Refused`` saying of ``shown`` why it cannot be; then
    nothing is left behind.

    gpg writes into a pipe: it ends with this process, and what comes out of it has a bound.
    """
    with tempfile.NamedTemporaryFile(dir=to.parent, prefix=".status-") as status:
        try:
            fault = _run(path, to, rules, Path(status.name))
            fault = fault or _fault(_said(Path(status.name).read_bytes()), rules)
        except BaseException:
            to.unlink(missing_ok=True)
            raise
    if fault:
        to.unlink(missing_ok=True)
        raise Refused(f"{shown}: {fault}")


def _run(path: Path, to: Path, rules: Keys, status: Path) -> str:
    """Let gpg decrypt, and return what is wrong with what came out. What gpg says of it stands in ``status``."""
    most = min(LARGEST, max(SMALL, RATIO * path.stat().st_size))
    count = 0
    with (
        durable.new(to) as out,
        subprocess.Popen(
            _command(rules, status, path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it names people: those who own keys
            start_new_session=True,  # Ctrl-C is for us
        ) as process,
    ):
        assert process.stdout
        while piece := _next(process.stdout):
            count += len(piece)
            if count > most:
                process.kill()
                return "too large when decrypted"
            out.write(piece)
        if piece is None:
            process.kill()
            return "gpg gave nothing for too long"
    return ""


def _next(stream: IO[bytes]) -> bytes | None:
    """The next bytes of a pipe, none at its end; None where nothing comes for too long."""
    return os.read(stream.fileno(), CHUNK) if select.select([stream], [], [], QUIET_SECONDS)[0] else None


def _command(rules: Keys, status: Path, path: Path) -> list[str]:
    home = ["--homedir", rules.homedir] if rules.homedir else []
    phrase = (
        ["--pinentry-mode", "loopback", "--passphrase-file", rules.passphrase_file] if rules.passphrase_file else []
    )
    return [
        require_gpg(), "--batch", "--no-tty", "--yes", "--status-file", str(status), *home, *phrase, "--output", "-",
        "--decrypt", "--", str(path),
    ]  # fmt: skip


def _said(status: bytes) -> list[list[str]]:
    """Return gpg's status lines as words. Only a line feed ends a line: gpg lets every other sign that
    ``str.splitlines`` takes for an end stand in a key's user id, and whoever owns a key writes that.

    >>> _said("[GNUPG:] GOODSIG 1 Ann\\u2028[GNUPG:] VALIDSIG 2\\n[GNUPG:] \\nother\\n".encode())[0][:3]
    ['GOODSIG', '1', 'Ann\\u2028[GNUPG:]']
    """
    lines = [line.removeprefix(PREFIX) for line in status.split(b"\n") if line.startswith(PREFIX)]
    words = [[word.decode(errors="replace") for word in line.split(b" ") if word] for line in lines]
    return [line for line in words if line]


def _fault(said: Iterable[list[str]], rules: Keys) -> str:
    """Return what is wrong by gpg's status lines, "" for nothing. Whole is what gpg calls so: decrypted, unchanged,
    and signed by one of those who must have."""
    by_word: dict[str, list[list[str]]] = {}
    for word, *arguments in said:
        by_word.setdefault(word, []).append(arguments)
    if any(int(code) & 0xFFFF == BAD_PASSPHRASE for _, code in _errors(by_word)):
        return WHY["BAD_PASSPHRASE"]
    if fatal := next((WHY[word] for word in FATAL if word in by_word), ""):
        return fatal
    if "DECRYPTION_OKAY" not in by_word:
        return next((words for word, words in WHY.items() if word in by_word), "it cannot be decrypted")
    signers = {_hex(arguments[place]) for arguments in by_word.get("VALIDSIG", []) for place in (0, -1) if arguments}
    if rules.signed_by and signers.isdisjoint(map(_hex, rules.signed_by)):
        return "not signed by a key of signed_by"
    return ""


def _errors(by_word: Mapping[str, list[list[str]]]) -> list[tuple[str, str]]:
    """What gpg says as (place, number): ``pkdecrypt_failed 67108875``, ``symkey_decrypt 11_BAD_PASSPHRASE``."""
    errors = [(arguments[0], arguments[-1].partition("_")[0]) for arguments in by_word.get("ERROR", []) if arguments]
    return [(place, code) for place, code in errors if code.isascii() and code.isdigit()]


def _hex(fingerprint: str) -> str:
    return fingerprint.replace(" ", "").upper()

"""gpg's status lines: whatever names stand in them, only a line that gpg wrote tells of a signature."""

from __future__ import annotations

import re

from gateway.intake import unsealing

MODULES = ("gateway.intake.unsealing",)
KEY = "A" * 40
OKAY = b"[GNUPG:] DECRYPTION_OKAY\n"
FAULTS = (
    f"[GNUPG:] GOODSIG B Ann\u2028[GNUPG:] VALIDSIG {KEY} {KEY}\n".encode() + OKAY,
    b"[GNUPG:] \n" + OKAY,
    b"[GNUPG:] VALIDSIG\n" + OKAY,
    b"[GNUPG:] \tDECRYPTION_OKAY\n",
    "[GNUPG:] ERROR place \u00b2\n".encode() + OKAY,
)


def SEEDS() -> list[bytes]:
    valid = f"[GNUPG:] VALIDSIG {KEY} 2026-11-27 1795803646 0 4 0 1 10 00 {KEY}\n".encode()
    error = b"[GNUPG:] ERROR pkdecrypt_failed 67108875\n[GNUPG:] ERROR symkey_decrypt 11_BAD_PASSPHRASE\n"
    words = [f"[GNUPG:] {word} B Ann\n".encode() + OKAY for word in unsealing.WHY]
    return [OKAY, valid + OKAY, valid, error, b"[GNUPG:] GOODSIG B " + valid + OKAY, *words]


def target(data: bytes) -> None:
    rules = unsealing.Keys(signed_by=(KEY,))
    if unsealing._fault(unsealing._said(data), rules) == "":
        assert re.search(rb"^\[GNUPG:\] +VALIDSIG\s", data, re.MULTILINE), "signed by nobody"
        assert re.search(rb"^\[GNUPG:\] +DECRYPTION_OKAY\b", data, re.MULTILINE), "not decrypted"

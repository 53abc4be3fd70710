"""The keys of exports: one root, a key for each controller, project and version below it, and how a pseudonym is
written.

Keys come down from the root by HKDF. Unkeyed hashes are never used: all NHS numbers can be hashed in minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import Refused

ROOT_BYTES = 32

_ALPHABET = b"abcdefghijklmnopqrstuvwxyz234567"
_THREE = [bytes(three) for three in itertools.product(_ALPHABET, repeat=3)]
_TWO = [bytes(two) for two in itertools.product(_ALPHABET, repeat=2)]
_LOW = (1 << 70) - 1


def project_key(root: bytes, controller: str, project: str, version: int) -> bytes:
    """The 32-byte key of one project at one version of its key. Another project's pseudonyms cannot be matched with it.

    Raises ``Refused`` for a root of less than 256 bits: a file cut short would be a key that anybody can guess.
    """
    if len(root) < ROOT_BYTES:
        raise Refused(f"the root key of exports: {ROOT_BYTES} bytes are needed")
    middle = HKDF(SHA256(), 32, b"nhs-record-gateway", f"controller:{controller}".encode()).derive(root)
    return HKDF(SHA256(), 32, b"nhs-record-gateway", f"project:{project}:{version}".encode()).derive(middle)


def order_key(key: bytes, release: str) -> bytes:
    """The 32-byte key of the order of one release, below the project's key: by its digests persons, their lines, and so
    parts and files are ordered. ``release`` names what was pinned: the same pins have the same order."""
    return hmac.digest(key, f"order:{release}".encode(), hashlib.sha256)


def fingerprint(root: bytes) -> str:
    """What a job remembers of the root key it was made with. It tells whether another key is the same, and nothing
    else: the root has 256 random bits.

    >>> fingerprint(bytes(32)) == fingerprint(bytes(32)), fingerprint(bytes(32)) == fingerprint(bytes(31) + b"1")
    (True, False)
    """
    return hmac.digest(root, b"nhs-record-gateway root key of exports", hashlib.sha256).hex()[:32]


def base32(digest: bytes) -> bytes:
    """128 bits as 26 letters and digits, as RFC 4648 has it, in lower case and without padding; three at a time, for
    speed.

    >>> base32(bytes(16))
    b'aaaaaaaaaaaaaaaaaaaaaaaaaa'
    """
    bits = int.from_bytes(digest[:16], "big") << 2
    high, low = bits >> 70, bits & _LOW  # shifting all 130 bits nine times would take half as long again
    return b"".join((
        _THREE[high >> 45], _THREE[high >> 30 & 32767], _THREE[high >> 15 & 32767], _THREE[high & 32767],
        _THREE[low >> 55], _THREE[low >> 40 & 32767], _THREE[low >> 25 & 32767], _THREE[low >> 10 & 32767],
        _TWO[low & 1023],
    ))  # fmt: skip

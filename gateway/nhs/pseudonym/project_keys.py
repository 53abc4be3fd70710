"""The keys of exports: one root, a key for each controller, project and version below it, and how a pseudonym is
written.

Keys come down from the root by HKDF. Unkeyed hashes are never used: all NHS numbers can be hashed in minutes.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import Refused

ROOT_BYTES = 32

_ALPHABET = bytes.maketrans(bytes(range(32)), b"abcdefghijklmnopqrstuvwxyz234567")


def _halves(groups: int) -> tuple[int, int, int]:
    """How to move apart the halves of so many groups of five bits, wherever they stand in 160 bits: masks of the low
    and high halves, and by how many bits the high ones move so that each group has eight bits to itself."""
    half = groups // 2
    starts = range(0, 32 * 8, groups * 8)
    low = sum(((1 << half * 5) - 1) << start for start in starts)
    return low, low << half * 5, half * 3


_HALVINGS = tuple(_halves(groups) for groups in (32, 16, 8, 4, 2))


def project_key(root: bytes, controller: str, project: str, version: int) -> bytes:
    """The 32-byte key of one project at one version of its key. Another project's pseudonyms cannot be matched with it.

    Raises ``Refused`` for a root of less than 256 bits: a file cut short would be a key that anybody can guess.
    """
    if len(root) < ROOT_BYTES:
        raise Refused(f"the root key of exports: {ROOT_BYTES} bytes are needed")
    middle = HKDF(SHA256(), 32, b"nhs-record-gateway", f"controller:{controller}".encode()).derive(root)
    return HKDF(SHA256(), 32, b"nhs-record-gateway", f"project:{project}:{version}".encode()).derive(middle)


def pseudonym_of(key: HMAC, text: bytes) -> bytes:
    """The pseudonym of an id (``Type/id``) or of a person (``person:`` and their name) under a project's key."""
    mac = key.copy()
    mac.update(text)
    return base32(mac.finalize())


def order_key(key: bytes, release: str) -> bytes:
    """The 32-byte key of the order of one release, below the project's key: by its digests persons, their lines, and so
    parts and files are ordered. ``release`` names what was pinned: the same pins have the same order."""
    return hmac.digest(key, f"order:{release}".encode(), hashlib.sha256)


def place(order: bytes, text: str) -> bytes:
    """Where a person or a line stands in the order of a release: they leave sorted by this digest."""
    return hashlib.blake2b(text.encode(), key=order).digest()


def fingerprint(root: bytes) -> str:
    """What a job remembers of the root key it was made with. It tells whether another key is the same, and nothing
    else: the root has 256 random bits.

    >>> fingerprint(bytes(32)) == fingerprint(bytes(32)), fingerprint(bytes(32)) == fingerprint(bytes(31) + b"1")
    (True, False)
    """
    return hmac.digest(root, b"nhs-record-gateway root key of exports", hashlib.sha256).hex()[:32]


def base32(digest: bytes) -> bytes:
    """128 bits as 26 letters and digits, as RFC 4648 has it, in lower case and without padding. All groups of five bits
    are moved into bytes of their own at once, for speed.

    >>> base32(bytes(16)), base32(bytes(range(16)))
    (b'aaaaaaaaaaaaaaaaaaaaaaaaaa', b'aaaqeayeaudaocajbifqydiob4')
    """
    bits = int.from_bytes(digest[:16], "big") << 2
    for low, high, by in _HALVINGS:
        bits = bits & low | (bits & high) << by
    return bits.to_bytes(26, "big").translate(_ALPHABET)

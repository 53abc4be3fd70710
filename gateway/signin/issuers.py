"""Issuers: whose tokens are accepted, with which algorithms and keys, and the tokens verified in the last minute."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from jose import backends

from gateway.errors import Refused, Unavailable
from gateway.signin import openid, page_client, remote_keys, vouching
from gateway.signin.openid import Discovery
from gateway.signin.page_client import PageClient
from gateway.signin.remote_keys import RemoteKeys
from gateway.signin.vouching import Vouches

CACHED = 60
"""Seconds for which a verified token is not verified again, at most."""
CACHE_SIZE = 10_000
KEY_TYPES = {"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "ES256": "EC", "ES384": "EC"}
"""The algorithms we know, with the only type of key each may meet. No ``none``, and nothing symmetric that a key could
be confused with."""
LEAST_RSA_BITS = 2048
TYPES = frozenset({"JWT", "AT+JWT", "APPLICATION/AT+JWT"})
"""Types in the header of a token that may be an access token."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Issuer:
    """An accepted issuer of tokens: its name, the audience they must be for, its algorithms and public keys (a JWKS),
    and how long one may live at most in seconds. ``typ`` is the only type that its access tokens have, where it names
    one (``at+jwt``: RFC 9068). ``remote`` are its keys where it publishes them, instead of ``jwks``. ``vouches``
    says whom it may vouch for; who leaves it out is trusted for anybody.
    Raises ``Refused`` for anything that could not be verified safely."""

    iss: str
    audience: str
    algorithms: Sequence[str]
    jwks: Mapping[str, Any]
    longest: int = 3600
    typ: str = ""
    vouches: Vouches | None = None
    remote: RemoteKeys | None = None
    discovery: Discovery | None = None
    pages: PageClient | None = None
    """This gateway as a client of the issuer, for people who open its pages; None where they do not sign in there."""

    @property
    def keys(self) -> Mapping[str, Any]:
        """The JWKS in force."""
        return self.remote.jwks if self.remote else self.jwks

    def __post_init__(self) -> None:
        if not self.iss or not self.audience or not self.algorithms:
            raise Refused("issuer: iss, audience and algorithms are needed")
        if self.typ and self.typ.upper() not in TYPES:
            raise Refused("issuer: typ is not that of an access token")
        if unknown := set(self.algorithms) - set(KEY_TYPES):
            raise Refused(f"issuer: algorithm not taken: {', '.join(sorted(unknown))}")
        if not self.remote and (reason := remote_keys.problem(self.jwks)):
            raise Refused(f"issuer: {reason}")


KEYS = frozenset({"iss", "audience", "algorithms", "jwks", "discovery", "typ", "longest", "pages"})
"""The keys of an issuer's table that say how its tokens are verified; ``vouching.KEYS`` say whom it may vouch for."""


def from_tables(tables: Mapping[str, Any], path: Path = Path()) -> list[Issuer]:
    """The issuers that ``GATEWAY_ISSUERS`` names, one table each, in a file of the folder ``path``. Raises ``Refused``
    naming the table that is not whole, or that has a key we do not know: a misspelt limit must not be no limit."""
    return [_from_table(name, table, path) for name, table in tables.items()]


def _from_table(name: str, table: Mapping[str, Any], path: Path) -> Issuer:
    if ("jwks" in table) == ("discovery" in table):
        raise Refused(f"GATEWAY_ISSUERS: {name}: either jwks or discovery is needed")
    try:
        unknown = table.keys() - KEYS - vouching.KEYS
        limits = {key: table[key] for key in ("typ", "longest") if key in table}
        if "discovery" in table:
            discovery = openid.Discovery(table["discovery"], table["iss"])
            remote, jwks = RemoteKeys(discovery.keys), {}
            limits = {"typ": openid.TYPE, "remote": remote, "discovery": discovery, **limits}
        else:
            jwks = json.loads(Path(table["jwks"]).read_text(encoding="utf-8"))
        issuer = Issuer(table["iss"], table["audience"], tuple(table["algorithms"]), jwks, **limits)
        vouches = vouching.from_table(table)
        pages = page_client.from_table(name, table["pages"], path) if "pages" in table else None
    except (KeyError, TypeError, OSError, ValueError, AttributeError):
        raise Refused(
            f"GATEWAY_ISSUERS: {name}: iss, audience, algorithms and jwks (a file) or discovery (an address) are "
            "needed, each of its kind"
        ) from None
    if unknown:
        raise Refused(f"GATEWAY_ISSUERS: {name}: a key that is not known")
    if pages and not issuer.discovery:
        raise Refused(f"GATEWAY_ISSUERS: {name}: pages need discovery")
    return replace(issuer, vouches=vouches, pages=pages)


class Verified(Generic[Answer]):
    """The tokens verified in the last minute, by their hash, with what their claims were read as. At most
    ``CACHE_SIZE`` are remembered: when there are more, the one remembered longest ago goes."""

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, tuple[int, Answer]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, digest: bytes, seconds: int) -> Answer | None:
        """Return the cached result for a token at ``seconds`` (UTC), or None."""
        until, answer = self._answers.get(digest, (0, None))
        return answer if until > seconds else None

    def remember(self, digest: bytes, until: int, answer: Answer, seconds: int) -> None:
        """Remember a token to its end, and no longer than ``CACHED`` seconds."""
        with self._lock:
            self._answers[digest] = (min(until, seconds + CACHED), answer)
            self._answers.move_to_end(digest)
            if len(self._answers) > CACHE_SIZE:
                self._answers.popitem(last=False)


class Issuers(Generic[Answer]):
    """The issuers in force, each name once, with their keys as parsed and the tokens verified lately.

    ``read`` makes of verified claims what ``verify`` returns. It is asked once a token, so what it returns must not be
    changed. Raises ``Refused`` where two issuers have one name.
    """

    def __init__(self, issuers: Iterable[Issuer], read: Callable[[dict[str, Any]], Answer]) -> None:
        listed = list(issuers)
        self.by_name = {issuer.iss: issuer for issuer in listed}
        if len(self.by_name) < len(listed):
            raise Refused("issuers: two issuers have one name")
        self.read = read
        self.keys: dict[tuple[str, str, str], tuple[Mapping[str, Any], backends.base.Key]] = {}
        """Parsed keys by issuer, key id and algorithm, each with the set that it was in: a newer set has it parsed
        again."""
        self.remote = [issuer.remote for issuer in listed if issuer.remote]
        self.verified: Verified[Answer] = Verified()

    def ask_for_keys(self) -> None:
        """Ask for the published keys of all issuers, each in a thread beside: the first callers after a start then
        find them."""
        for remote in self.remote:
            threading.Thread(target=_ask, args=(remote,), name="keys", daemon=True).start()


def _ask(remote: RemoteKeys) -> None:
    with suppress(Unavailable):  # it is logged, and the next caller asks again
        remote.refresh("")

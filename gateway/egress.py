"""The one place that calls out over HTTP: one origin a client, bounded, paced and tried again, also for large files;
one small document of an address that somebody else chose, or one notification to such an address; no redirect is
followed.

An address may hold an NHS number where the other side's API asks for it. No message, and no log line, repeats one.
"""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from queue import Empty, Queue
from types import TracebackType
from typing import IO, Any
from urllib.parse import SplitResult, urlencode, urlsplit

import httpx
import msgspec

from gateway.errors import Refused, Throttled, Unavailable

TIMEOUT = 15.0
"""Seconds to connect, and to wait for the next bytes."""
LONGEST_ANSWER = 60.0
"""Seconds in which an answer is there whole."""
MOST_BYTES = 2_000_000
ATTEMPTS = 4
AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request is sent again."""
LONGEST_PAUSE = 30.0
"""Seconds. Whoever asks for a longer one is not asked again now."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


SLOWEST = 1000
"""Bytes a second that a large file comes with at least, after its first minute."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that came: its status, its JSON object ({} where the body is none) and its headers, in small
    letters."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class Origin:
    """A client of one server. Only its own addresses are called, over TLS unless it is this machine.

    ``pause`` and ``transport`` are the outside world, for tests. Used as a context manager, it closes its connections.
    """

    def __init__(
        self,
        base: str,
        *,
        per_second: float = 4,
        pause: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ):
        parts = urlsplit(base)
        is_near = parts.hostname in LOOPBACK
        if not parts.hostname or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not is_near):
            raise Refused("an address to call is https://…, or http://… on this machine")
        self._pause, self._gap, self._free_at = pause, 1 / per_second, 0.0
        self._pace, self.address = threading.Lock(), origin_of(base)
        self._client = httpx.Client(
            base_url=base, timeout=TIMEOUT, follow_redirects=False, trust_env=not is_near, transport=transport,
            headers={"Accept-Encoding": "identity"},
        )  # fmt: skip

    def get(self, path: str, params: Sequence[tuple[str, str]] = (), headers: Mapping[str, str] | None = None) -> Reply:
        """GET a path below the base. Raises ``Throttled`` where the server goes on asking to wait, ``Unavailable``
        where it does not answer or answers with no JSON object."""
        return self._sent("GET", path, headers=dict(headers or {}), params=list(params) or None)

    def post(self, path: str, form: Mapping[str, str]) -> Reply:
        """POST a form. Raises as ``get`` does."""
        return self._sent("POST", path, data=dict(form))

    def delete(self, path: str, headers: Mapping[str, str]) -> Reply:
        """DELETE a path below the base. Raises as ``get`` does."""
        return self._sent("DELETE", path, headers=dict(headers))

    def download(self, path: str, target: IO[bytes], headers: Mapping[str, str], most: int) -> int:
        """Bring a file whole into an empty ``target``, and return the status that the server answers: 200 where it is
        there. Where it breaks off, the rest is asked for, if the server says by which mark it knows the file.

        Raises ``Unavailable`` where it does not come whole in four attempts that bring nothing more, is longer than
        ``most`` bytes, or comes slower than ``SLOWEST``; ``Throttled`` as ``get``.
        """
        part, attempt = _Part(target, most), 0
        while True:
            before = target.tell()
            self._wait_for_turn()
            try:
                status, wait = self._rest(path, headers, part)
            except httpx.HTTPError:
                status, wait = 503, None
            if status not in AGAIN:
                return status
            attempt = 0 if target.tell() > before else attempt + 1
            if status == 429 and (attempt == ATTEMPTS or (wait or 0) > LONGEST_PAUSE):
                raise Throttled("the other server asks to wait", int(wait or 1))
            if attempt == ATTEMPTS:
                raise Unavailable("the other server does not send the file whole", "no-answer")
            self._pause(min(wait if wait is not None else _backoff(attempt), LONGEST_PAUSE))

    def _rest(self, path: str, headers: Mapping[str, str], part: _Part) -> tuple[int, float | None]:
        """Ask for what is missing of a file: its status, 200 where it is whole now, and the seconds to wait."""
        asked = part.asked()
        with self._client.stream("GET", path, headers={**headers, **asked}) as response:
            if part.is_whole(response):
                return 200, None
            if response.status_code not in (200, 206):
                return response.status_code, _seconds(response.headers.get("retry-after", ""))
            part.begin(response, bool(asked))
            for piece in response.iter_raw():
                part.take(piece)
        return 200, None

    def _sent(self, method: str, path: str, **parts: Any) -> Reply:
        """Send a request until it is answered. The same headers are sent again, so that the other side knows it."""
        for attempt in range(ATTEMPTS):
            is_last = attempt == ATTEMPTS - 1
            self._wait_for_turn()
            try:
                reply, asked = self._once(method, path, **parts)
            except httpx.HTTPError:
                if is_last:
                    raise Unavailable("the other server does not answer", "no-answer") from None
                self._pause(_backoff(attempt))
                continue
            if reply.status not in AGAIN:
                return reply
            wait = asked if asked is not None else _backoff(attempt)
            if reply.status == 429 and (is_last or wait > LONGEST_PAUSE):
                raise Throttled("the other server asks to wait", int(wait) or 1)
            if is_last:
                raise Unavailable(f"the other server answers {reply.status}", "no-answer")
            self._pause(min(wait, LONGEST_PAUSE))
        raise AssertionError("unreachable")

    def _once(self, method: str, path: str, **parts: Any) -> tuple[Reply, float | None]:
        with self._client.stream(method, path, **parts) as response:
            content = _whole(response)
            wait = _seconds(response.headers.get("retry-after", ""))
            return Reply(response.status_code, _object(content), dict(response.headers)), wait

    def _wait_for_turn(self) -> None:
        """Keep the rate: no two requests start closer together."""
        with self._pace:
            now = time.monotonic()
            turn = max(now, self._free_at)
            self._free_at = turn + self._gap
        if turn > now:
            self._pause(turn - now)

    def __enter__(self) -> Origin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


def origin_of(url: str) -> str:
    """https://www.rfc-editor.org/rfc/rfc6454#section-4: the scheme, host and port of an address.

    >>> origin_of("https://north.example:8443/fhir?a=b")
    'https://north.example:8443'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class _Part:
    """The beginning of a file that is being brought, with the mark (a strong ETag, or when it was changed) by which the
    server knows whether its rest belongs to it."""

    def __init__(self, target: IO[bytes], most: int):
        self._target, self._most, self._began, self._mark = target, most, time.monotonic(), ""

    def asked(self) -> dict[str, str]:
        """https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5: the rest, or the whole where it changed."""
        start = self._target.tell() if self._mark else 0
        return {"Range": f"bytes={start}-", "If-Range": self._mark} if start else {}

    def is_whole(self, response: httpx.Response) -> bool:
        """Whether the server says that nothing is missing: the connection broke after the last byte."""
        size = self._target.tell()
        return response.status_code == 416 and response.headers.get("content-range", "") == f"bytes */{size}"

    def begin(self, response: httpx.Response, is_rest: bool) -> None:
        """Take the head of an answer. Raises ``Unavailable`` where what follows is not what was asked for."""
        _require_plain(response)
        if response.status_code == 200:
            self._target.seek(0)
            self._target.truncate()
            self._began = time.monotonic()
            etag = response.headers.get("etag", "")
            self._mark = etag if etag.startswith('"') else response.headers.get("last-modified", "")
        elif not is_rest or not response.headers.get("content-range", "").startswith(f"bytes {self._target.tell()}-"):
            raise Unavailable("the other server sends another part of the file", "no-answer")

    def take(self, piece: bytes) -> None:
        self._target.write(piece)
        if self._target.tell() > self._most:
            raise Unavailable("the other server's file is too long", "no-answer")
        if self._target.tell() < (time.monotonic() - self._began - LONGEST_ANSWER) * SLOWEST:
            raise Unavailable("the other server's file takes too long", "no-answer")


def _require_plain(response: httpx.Response) -> None:
    """Compressed answers are not read: a few bytes of one can be a memory full."""
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Unavailable("the other server's answer is compressed, which was not asked for", "no-answer")


def _whole(response: httpx.Response, most: int = MOST_BYTES, seconds: float = LONGEST_ANSWER) -> bytes:
    """The body as it was sent, bounded in length and time."""
    _require_plain(response)
    content, ends = bytearray(), time.monotonic() + seconds
    for piece in response.iter_raw():
        content += piece
        if len(content) > most:
            raise Unavailable("the other server's answer is too long", "no-answer")
        if time.monotonic() > ends:
            raise Unavailable("the other server's answer takes too long", "no-answer")
    return bytes(content)


def _object(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return {}


def _seconds(text: str) -> float | None:
    """Retry-After in seconds; its form as a date is not read, and the pause is ours."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _backoff(attempt: int) -> float:
    return float(2**attempt) * (0.5 + random.random() / 2)


# Documents at addresses that others chose

DOCUMENT_TIMEOUT, DOCUMENT_BYTES = 5.0, 64 * 1024
"""Seconds in which a document is there whole, from the first packet to the last byte; bytes of it at most."""


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object, and the seconds that its ``Cache-Control`` lets it be kept: None where it says nothing."""

    members: dict[str, Any]
    seconds: float | None = None


def document(
    url: str, *, is_near: bool = False, is_ours: bool = False, transport: httpx.BaseTransport | None = None
) -> Document:
    """The JSON object at an https address that somebody else chose, such as a client's JWKS. It is asked for once.

    The name is resolved here and only an address of the public network is called, so that no name leads into ours.
    ``is_near`` lets the address be this machine's own, also without TLS; ``is_ours`` any address, because our operator
    trusts whoever named it. Raises ``Refused`` for an address that may not
    be called, ``Unavailable`` where there is no such document.
    """
    status, content, headers = _once_whole("GET", url, is_near, is_ours, transport)
    if status != 200 or not (members := _object(content)):
        raise Unavailable("the other server has no such document", "no-answer")
    return Document(members, _kept_for(headers))


def encoded(form: Mapping[str, str]) -> str:
    """A form as it is sent, or as it stands after the mark of an address."""
    return urlencode(form)


def exchange(
    url: str, form: str | None, headers: Mapping[str, str], *, is_near: bool = False,
    transport: httpx.BaseTransport | None = None,
) -> Reply:  # fmt: skip
    """The answer of an address that our operator trusts, asked once: a form is posted, without one it is a GET. What
    holds once, such as a code, must not be sent twice. Raises as ``document`` does."""
    method = "GET" if form is None else "POST"
    status, content, _ = _once_whole(method, url, is_near, True, transport, headers, form)
    return Reply(status, _object(content))


def _once_whole(
    method: str, url: str, is_near: bool, is_ours: bool, transport: httpx.BaseTransport | None,
    more: Mapping[str, str] | None = None, form: str | None = None,
) -> tuple[int, bytes, httpx.Headers]:  # fmt: skip
    """Status, content and headers of one request to a document's address."""
    parts, port = _parts(url, is_near)
    is_free = is_ours or (is_near and parts.hostname in LOOPBACK)
    address = (parts.hostname or "") if is_free else _resolved(parts.hostname or "", port, _is_public)
    sent = {**(more or {}), "Accept": "application/json"}
    content = None if form is None else form.encode()
    with _called(method, url, address, sent, DOCUMENT_TIMEOUT, transport, content) as response:
        return response.status_code, _whole(response, DOCUMENT_BYTES, DOCUMENT_TIMEOUT), response.headers


@contextmanager
def _called(
    method: str,
    url: str,
    address: str,
    headers: Mapping[str, str],
    seconds: float,
    transport: httpx.BaseTransport | None,
    content: bytes | None = None,
) -> Iterator[httpx.Response]:
    """The answer to one request, asked of one network address under the name that the URL has, without a proxy, a
    redirect or a second attempt, and ended after so many seconds. Raises ``Unavailable`` where there is none."""
    parts = urlsplit(url)
    pinned = httpx.URL(url).copy_with(host=f"[{address}]" if ":" in address else address)
    try:
        with (
            _ended_after(seconds) as trace,
            httpx.Client(timeout=seconds, trust_env=False, transport=transport) as client,
            client.stream(
                method, pinned, content=content, extensions={"sni_hostname": parts.hostname or "", "trace": trace},
                headers={"Host": parts.netloc, "Accept-Encoding": "identity", **headers},
            ) as response,
        ):  # fmt: skip
            yield response
    except (httpx.HTTPError, httpx.InvalidURL):
        raise Unavailable("the other server does not answer", "no-answer") from None


# Notifications to addresses that clients chose

NOTIFICATION_TIMEOUT = 10.0
"""Seconds in which the name of a receiver is resolved and it answers."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How the receiver of a notification answered: its status, and the seconds that it asks to wait, None where it
    does not."""

    status: int
    seconds: float | None = None


def notify(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    is_near: bool = False,
    is_private: bool = False,
    transport: httpx.BaseTransport | None = None,
) -> Receipt:
    """POST a notification to an https address, once. Nothing of the answer but its status is read.

    The name is resolved here, and only an address of the public network is called; ``is_private``, which only an
    operator says, adds those of private networks and of this machine, but none at which a platform is found.
    ``is_near`` lets this machine's own address go without TLS. Raises as ``document`` does.
    """
    parts, port = _parts(url, is_near)
    ends = time.monotonic() + NOTIFICATION_TIMEOUT
    is_allowed = _is_reachable if is_private else _is_public
    address = _resolved(parts.hostname or "", port, is_allowed, NOTIFICATION_TIMEOUT)
    left = max(ends - time.monotonic(), 0.1)
    with _called("POST", url, address, headers, left, transport, content) as response:
        return Receipt(response.status_code, _seconds(response.headers.get("retry-after", "")))


def require_notified_address(url: str, *, is_near: bool = False, is_private: bool = False) -> None:
    """Raise ``Refused`` for an address that ``notify`` never calls, as far as its words say."""
    parts, _ = _parts(url, is_near)
    with suppress(ValueError):
        if not (_is_reachable if is_private else _is_public)(ip_address(parts.hostname or "")):
            raise Refused(NOT_CALLED)


def _kept_for(headers: httpx.Headers) -> float | None:
    """https://www.rfc-editor.org/rfc/rfc9111#section-4.2"""
    directives = headers.get("cache-control", "").lower()
    if re.search(r"\bno-(?:store|cache)\b", directives):
        return 0.0
    age = re.search(r"\bmax-age\s*=\s*\"?(\d{1,9})\b", directives, re.ASCII)
    return max(0.0, float(age[1]) - (_seconds(headers.get("age", "")) or 0)) if age else None


@contextmanager
def _ended_after(seconds: float) -> Iterator[Callable[[str, dict[str, Any]], None]]:
    """End a request's connection after so many seconds, whatever it does then: the timeouts of the client are those of
    one read, and a server that sends a byte of its headers now and then would hold the thread for hours. Gives what is
    to be the request's extension ``trace``."""
    ends, sockets = time.monotonic() + seconds, []

    def trace(event: str, facts: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            sockets.append(facts["return_value"].get_extra_info("socket"))
        if event.endswith(".started") and "close" not in event and time.monotonic() > ends:
            raise httpx.ReadTimeout("the document takes too long")

    def end() -> None:
        for connected in sockets[-1:]:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield trace
    finally:
        timer.cancel()


def require_document_address(url: str, *, is_near: bool = False, is_ours: bool = False) -> None:
    """Raise ``Refused`` for an address that ``document`` never calls, as far as its words say."""
    parts, _ = _parts(url, is_near)
    if is_ours:
        return
    with suppress(ValueError):
        if not _is_public(ip_address(parts.hostname or "")) and not (is_near and parts.hostname in LOOPBACK):
            raise Refused(NOT_CALLED)


NOT_CALLED = "an address that is called is https://… on the public network, without a user, a query or a fragment"


def _parts(url: str, is_near: bool) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Refused(NOT_CALLED) from None
    schemes = ("https", "http") if is_near and parts.hostname in LOOPBACK else ("https",)
    is_plain = url.isascii() and url.isprintable() and not any(mark in url for mark in "@?#\\ ")
    if parts.scheme not in schemes or not parts.hostname or not is_plain or len(url) > 500:
        raise Refused(NOT_CALLED)
    return parts, port


class LedAway(Refused):
    """A name leads to an address that is not called. It may lead elsewhere tomorrow."""


def _resolved(host: str, port: int, is_allowed: Callable[[object], bool], seconds: float = DOCUMENT_TIMEOUT) -> str:
    """An address of a host, all of whose addresses are allowed."""
    addresses = _addresses(host, port, seconds)
    if not addresses or not all(map(is_allowed, addresses)):
        raise LedAway(NOT_CALLED)
    return min(map(str, addresses), key=lambda address: (":" in address, address))


def _addresses(host: str, port: int, seconds: float) -> set[object]:
    """The addresses of a host. The system's resolver has no limit of time: who waits too long leaves it to a thread."""
    answers: Queue[set[object] | None] = Queue()

    def ask() -> None:
        try:
            answers.put({entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
        except (OSError, UnicodeError):
            answers.put(None)

    threading.Thread(target=ask, daemon=True).start()
    addresses = None
    with suppress(Empty):
        addresses = answers.get(timeout=seconds)
    if addresses is None:
        raise Unavailable("the other server's name is not known", "no-answer")
    return addresses


_INWARD = tuple(map(ip_network, (
    "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "fec0::/10", "2001::/32", "198.18.0.0/15",
    "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128",
)))  # fmt: skip
"""Networks that count as public or private and may lead elsewhere: IPv4 within IPv6 (compatible, translated, NAT64,
Teredo), the site-local ones of old, those of benchmarks, and the addresses at which the machines of Azure, Oracle,
Amazon and Google find their platform."""


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """What an address leads to: an IPv6 address may carry one of IPv4."""
    return getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address


def _is_inward(address: IPv4Address | IPv6Address) -> bool:
    return any(part in network for part in (address, _inner(address)) for network in _INWARD)


def _is_reachable(text: object) -> bool:
    """Whether an address is of the public network, a private one or this machine: never a link's own, where clouds keep
    the secrets of their machines."""
    address = ip_address(str(text))
    if address in _THIS:
        return True
    if _is_inward(address):
        return False
    is_inner = address.is_private and not (address.is_link_local or address.is_unspecified or address.is_reserved)
    return _is_public(address) or address.is_loopback or bool(is_inner and not address.is_multicast)


_THIS = ip_network("::1/128")


def _is_public(text: object) -> bool:
    address = ip_address(str(text))
    inner = _inner(address)
    return bool(not _is_inward(address) and address.is_global and inner.is_global and not inner.is_multicast)

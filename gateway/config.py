"""Settings: read once from the environment, frozen, passed as an argument.

Each field has a row in the README; a test compares the two.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway import log
from gateway.errors import Refused

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
DATABASES = ("postgresql://", "sqlite:///")
HOST, PORT = "127.0.0.1", 8000
PRIVATE = "+private"
"""What ends an origin of ``hooks`` that lies in a private network."""
EVERYWHERE = ("0.0.0.0", "::", "")
FEEDS_HELP = (
    "TOML file, one table a feed: `encoding`, `zone`, `default` (`share` or `withhold`), `watch`, `pgp`, and what a "
    "source documents"
)


@dataclass(frozen=True)
class Settings:
    """What an operator may set. A variable's name is ``GATEWAY_`` and the name of the field in capitals."""

    data_dir: Path = field(
        default=Path("gateway-data"),
        metadata={"help": "folder of the database, the audit, keys and exports (mode 0700)"},
    )
    database_url: str = field(
        default="", metadata={"help": "`postgresql://…` instead of `gateway.db` in the data folder"}
    )
    sandbox: bool = field(
        default=False,
        metadata={
            "help": "`1` together with a sandbox store turns the sandbox's token issuer on; either alone refuses "
            "to start"
        },
    )
    feeds: Path | None = field(default=None, metadata={"help": FEEDS_HELP})
    issuers: Path | None = field(
        default=None,
        metadata={
            "help": "TOML file, one table an OpenID issuer: `iss`, `audience`, `algorithms`, `jwks` or `discovery`, "
            "whom it may vouch for: `organisations`, `operators`, `projects`, `acr`, and `pages` where people sign in"
        },
    )
    token_key: Path | None = field(
        default=None,
        metadata={
            "help": "PEM file (mode 0600) of the private key, RSA or EC, that signs the tokens of the token endpoint "
            "for registered systems; unset, a live store issues none"
        },
    )
    pds: Path | None = field(
        default=None,
        metadata={
            "help": "TOML file that says how PDS is asked: `base`, `token`, `client`, `kid`, `key` (a file), "
            "`organisation`, `per_second`; unset, nobody is traced"
        },
    )
    code_sets: Path | None = field(
        default=None,
        metadata={
            "help": "folder of code sets beside ours, laid out like `terminology/sets`: a live store's own "
            "`sensitive`, `legal`"
        },
    )
    base_url: str = field(
        default="", metadata={"help": "the address clients use, for links; unset, the one that `serve` listens on"}
    )
    log_level: str = field(default="INFO", metadata={"help": "DEBUG, INFO, WARNING or ERROR"})
    optout_days: int = field(
        default=7, metadata={"help": "days after which an opt-out list is stale, and nobody is released"}
    )
    body_limit: int = field(
        default=5_000_000, metadata={"help": "bytes of a request body at most; most routes take far less"}
    )
    caller_rate: str = field(
        default="120000/minute",
        metadata={"help": "requests of one user in one organisation; beyond it the answer is 429"},
    )
    stranger_rate: str = field(
        default="1200/minute", metadata={"help": "requests without a valid token from one address; beyond it 429"}
    )
    token_rate: str = field(
        default="60/minute", metadata={"help": "tokens that one registered system may ask for; beyond it 429"}
    )
    export_rate: str = field(default="60/minute", metadata={"help": "exports that one client may start"})
    trusted_proxies: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "addresses or networks, separated by commas: only a proxy there is believed whose address it "
            "forwards (`X-Forwarded-For`), for the audit and the rates"
        },
    )
    session_idle: int = field(
        default=15, metadata={"help": "minutes without a request after which the session of a page ends"}
    )
    session_longest: int = field(
        default=600, metadata={"help": "minutes after which the session of a page ends in any case"}
    )
    cors_origins: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "origins, separated by commas (`https://app.example`), whose pages may call the API from a "
            "browser; unset, none"
        },
    )

    hooks: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "origins, separated by commas (`https://hooks.example`), that notifications of subscriptions may "
            "go to; one in a private network ends in `+private`; unset, no subscription is taken"
        },
    )

    @property
    def url(self) -> str:
        """The database's URL: the one set, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'gateway.db'}"

    @property
    def audit_file(self) -> Path:
        """The file of the audit of reads, wherever the database is. On PostgreSQL the audit is a table instead."""
        return self.data_dir / "audit.db"

    @property
    def inbox_file(self) -> Path:
        """The file of the messages that listeners received and have not mapped yet, wherever the database is."""
        return self.data_dir / "inbox.db"

    @property
    def watch_file(self) -> Path:
        """The file of how the watched folders stand."""
        return self.data_dir / "watch.json"

    @property
    def spool(self) -> Path:
        """The folder of what is fetched or decrypted, while it is loaded."""
        return self.data_dir / "spool"

    @property
    def keys(self) -> Path:
        """The folder of the secret keys."""
        return self.data_dir / "keys"

    @property
    def exports(self) -> Path:
        """The folder of the exports that were requested over HTTP."""
        return self.data_dir / "exports"


def address(host: str, port: int) -> str:
    """The URL of a server on this machine. One that listens on every address is reached on the machine's own."""
    host = "127.0.0.1" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}"


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings. Raises ``Refused`` naming a variable that cannot be read or is not known."""
    known = {f"GATEWAY_{f.name.upper()}": f for f in fields(Settings)}
    values: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith("GATEWAY_"):
            continue
        if name not in known:
            raise Refused(f"{name} is not a setting")
        values[known[name].name] = _value(name, str(known[name].type), text)
    settings = Settings(**values)
    for name, is_right in (
        ("database_url", not settings.database_url or settings.database_url.startswith(DATABASES)),
        ("base_url", not settings.base_url or _is_base(settings.base_url)),
        ("log_level", settings.log_level in LEVELS),
        ("optout_days", settings.optout_days > 0),
        ("body_limit", settings.body_limit > 0),
        ("session_idle", 0 < settings.session_idle <= settings.session_longest),
        ("session_longest", settings.session_longest <= 24 * 60),
        ("feeds", settings.feeds is None or settings.feeds.is_file()),
        ("issuers", settings.issuers is None or settings.issuers.is_file()),
        ("token_key", settings.token_key is None or settings.token_key.is_file()),
        ("pds", settings.pds is None or settings.pds.is_file()),
        ("code_sets", settings.code_sets is None or settings.code_sets.is_dir()),
        ("trusted_proxies", all(map(_is_network, settings.trusted_proxies))),
        ("cors_origins", all(map(_is_origin, settings.cors_origins))),
        ("hooks", all(_is_origin(origin.removesuffix(PRIVATE)) for origin in settings.hooks)),
    ):
        if not is_right:
            raise Refused(f"GATEWAY_{name.upper()} has a value that is not allowed")
    return settings


def _is_base(url: str) -> bool:
    """Whether a URL can begin every link: http or https, a host, a port in range, and no query."""
    try:
        parts = urlsplit(url)
        right_port = parts.port is None or parts.port > 0  # raises ValueError beyond 65535
    except ValueError:
        return False
    is_plain = (
        url.isascii() and not any(c.isspace() or c in '"<>\\' for c in url) and not (parts.query or parts.fragment)
    )
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and right_port
        and is_plain
        and "@" not in parts.netloc
    )


def _is_origin(text: str) -> bool:
    """Whether this is one origin as a browser writes it: https, or http of this machine, and nothing after the port."""
    if not _is_base(text):
        return False
    parts = urlsplit(text)
    is_safe = parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")
    return is_safe and text == f"{parts.scheme}://{parts.netloc}" and text == text.lower() and "*" not in text


def _is_network(text: str) -> bool:
    """Whether this is an address or a network, and not every address there is."""
    try:
        return ip_network(text).prefixlen > 0
    except ValueError:
        return False


def _value(name: str, kind: str, text: str) -> object:
    try:
        if kind == "bool":
            return {"1": True, "true": True, "0": False, "false": False, "": False}[text.lower()]
        if kind == "int":
            return int(text)
        if kind.startswith("tuple"):
            return tuple(filter(None, (part.strip() for part in text.split(","))))
        return Path(text) if "Path" in kind else text
    except (KeyError, ValueError):
        raise Refused(f"{name} cannot be read") from None


def prepare_data_dir(settings: Settings) -> None:
    """Create the data folder, for its owner only."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(settings.data_dir, 0o700)


def close_folders(settings: Settings) -> None:
    """Take from other users of the machine what the data folder, and those of its keys and exports, let them do.

    Raises ``Refused`` where that needs somebody else's rights. A group that a volume's owner lets in stays.
    """
    for folder in (settings.data_dir, settings.keys, settings.exports, settings.spool):
        mode = stat.S_IMODE(folder.stat().st_mode) if folder.is_dir() else 0
        if not mode & 0o077:
            continue
        try:
            os.chmod(folder, mode & ~0o077)
        except PermissionError:
            if mode & 0o007:
                raise Refused("the data folder is open to other users of this machine: chmod 700 it") from None
        else:
            log.event("data-folder.closed")


def tables(path: Path | None, name: str) -> dict[str, Any]:
    """Return the tables of a TOML file that the setting ``name`` points at, or {} where it is not set. Raises
    ``Refused`` naming the setting, never the content."""
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Refused(f"{name}: the file cannot be read as TOML") from None

"""Settings: read once from the environment, frozen, passed as an argument. Each field is a row in the README (a test
holds them together)."""

from __future__ import annotations

import codecs
import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.errors import Refused

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
DATABASES = ("postgresql://", "sqlite:///")
HOST, PORT = "127.0.0.1", 8000
EVERYWHERE = ("0.0.0.0", "::", "")
FEED = ("encoding", "zone", "default")
"""What every feed's table may say; the rest is its source's."""
FEEDS_HELP = (
    "TOML file, one table a feed: `encoding`, `zone`, `default` (`share` or `withhold`), and what a source documents"
)


@dataclass(frozen=True)
class Settings:
    """What an operator may set. The variable's name is ``GATEWAY_`` and the field's in capitals."""

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
        metadata={"help": "TOML file, one table an OpenID issuer: `iss`, `audience`, `algorithms`, `jwks`"},
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
    body_limit: int = field(default=5_000_000, metadata={"help": "bytes of a request body at most"})

    @property
    def url(self) -> str:
        """The database's URL: the one set, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'gateway.db'}"

    def at(self, host: str, port: int) -> Settings:
        """The same settings, with links that lead to where we listen unless an address was set. Who listens everywhere
        is reached from here."""
        host = "127.0.0.1" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
        return self if self.base_url else replace(self, base_url=f"http://{host}:{port}")


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings. Raises ``Refused`` naming a variable that cannot be read or is not known."""
    known = {f"GATEWAY_{f.name.upper()}": f for f in fields(Settings)}
    values: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith("GATEWAY_"):
            continue
        if name not in known:
            raise Refused(f"{name} is not a setting")
        values[known[name].name] = _value(name, known[name].type, text)
    settings = Settings(**values)
    for name, is_right in (
        ("database_url", not settings.database_url or settings.database_url.startswith(DATABASES)),
        ("log_level", settings.log_level in LEVELS),
        ("optout_days", settings.optout_days > 0),
        ("body_limit", settings.body_limit > 0),
    ):
        if not is_right:
            raise Refused(f"GATEWAY_{name.upper()} cannot be what it is set to")
    return settings


def _value(name: str, kind: str, text: str) -> object:
    try:
        if kind == "bool":
            return {"1": True, "true": True, "0": False, "false": False, "": False}[text.lower()]
        if kind == "int":
            return int(text)
        return Path(text) if "Path" in kind else text
    except (KeyError, ValueError):
        raise Refused(f"{name} cannot be read") from None


def prepare_data_dir(settings: Settings) -> None:
    """Make the data folder, for its owner only."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(settings.data_dir, 0o700)


def key_file(settings: Settings, name: str, make: Callable[[], bytes]) -> bytes:
    """The bytes of a key in ``keys/``, made by ``make()`` the first time. Raises ``Refused`` for a key that others may
    read."""
    path = settings.data_dir / "keys" / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(make())
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Refused(f"keys/{name} can be read by others: chmod 600 it")
    return path.read_bytes()


def feed(settings: Settings, name: str) -> dict[str, Any]:
    """What a feed's table says; {} where none is set for the default feed. Raises ``Refused`` naming the key that
    cannot be used."""
    tables = toml(settings.feeds, "GATEWAY_FEEDS")
    if name not in tables and name != "default":
        raise Refused("GATEWAY_FEEDS has no table of that name")
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise Refused(f"GATEWAY_FEEDS: {name} is no table")
    for key, is_right in (
        ("encoding", _is_encoding),
        ("zone", _is_zone),
        ("default", ("share", "withhold").__contains__),
    ):
        if key in table and not is_right(table[key]):
            raise Refused(f"GATEWAY_FEEDS: {name}: {key}")
    return dict(table)


def _is_encoding(name: object) -> bool:
    try:
        return bool(codecs.lookup(name))
    except (LookupError, TypeError):
        return False


def _is_zone(name: object) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (OSError, ValueError, TypeError, ZoneInfoNotFoundError):
        return False


def toml(path: Path | None, name: str) -> dict[str, Any]:
    """The tables of a settings file, or {} where none is set. Raises ``Refused`` naming the setting, not the
    content."""
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Refused(f"{name}: the file cannot be read as TOML") from None

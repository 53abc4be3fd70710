"""The start of every command: checks the installation, reads the settings and configures the log."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import config, log
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.composition import Gateway

ROOT = Path(__file__).resolve().parents[2]


def start() -> config.Settings:
    """Return the settings. Raises ``Refused`` where the gateway may not run."""
    _check_packages()
    settings = config.read()
    log.configure(settings.log_level)
    return settings


def opened(settings: config.Settings | None = None) -> Gateway:
    """Open the gateway that the settings name: most commands need no more."""
    settings = settings or start()
    from gateway.composition import open_gateway

    return open_gateway(settings)


@contextmanager
def acting(settings: config.Settings | None = None) -> Iterator[Gateway]:
    """Open the gateway for an act that the audit holds, and seal the audit when the act is done. Raises ``Refused``
    before the act where it could not be sealed: another key is in the place of the audit's, or a file is lost."""
    with opened(settings) as gateway:
        gateway.require_audit()
        yield gateway
        gateway.seal()


@contextmanager
def serving(gateway: Gateway, act: str, **facts: object) -> Iterator[None]:
    """Have the audit hold when an act that lasts began and ended, with what it is about: where no end follows, it was
    killed."""
    from gateway.store.changes import record_write

    def record(outcome: str) -> None:
        with gateway.store.write() as session:
            record_write(session, {"act": act, "outcome": outcome, **facts})

    record("begun")
    yield
    record("done")


def _check_packages() -> None:
    """Raise ``Refused`` where another project's package has one of our three names; PyPI has some."""
    for name in ("mappings", "terminology"):
        spec = importlib.util.find_spec(name)
        if spec is None or Path(spec.origin or "").resolve().parents[1] != ROOT:
            raise Refused(
                f"the package {name} is another project's: install the gateway into an environment of its own"
            )

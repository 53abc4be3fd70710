"""Keyrings of gpg for tests, in folders with short names: a socket's path has little room."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GPG = shutil.which("gpg")


class Keyring:
    """A keyring of its own, with one key in it."""

    def __init__(self, folder: Path, name: str, passphrase: str = ""):
        self.folder, self.name, self.passphrase = folder, name, passphrase
        self.run("--quick-generate-key", name, "future-default", "default", "never")
        listed = self.run("--with-colons", "--fingerprint", name).decode()
        self.fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))

    def run(self, *words: str, data: bytes = b"") -> bytes:
        phrase = ["--pinentry-mode", "loopback", "--passphrase", self.passphrase]
        done = subprocess.run(
            [GPG, "--homedir", str(self.folder), "--batch", "--yes", "--trust-model", "always", *phrase, *words],
            input=data, capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout

    def learn(self, other: Keyring) -> None:
        """Know another's public key."""
        self.run("--import", data=other.run("--export", other.fingerprint))

    def seal(self, data: bytes, to: Keyring, *words: str) -> bytes:
        """Encrypt for another, and sign with the own key if ``--sign`` is among ``words``."""
        return self.run("--recipient", to.fingerprint, "--encrypt", *words, data=data)


@contextmanager
def keyrings(*passphrases: str) -> Iterator[list[Keyring]]:
    """A keyring for each passphrase; all of them know each other. Their agents end with the block."""
    with tempfile.TemporaryDirectory(prefix="kr", dir="/tmp", ignore_cleanup_errors=True) as folder:
        rings = []
        for number, passphrase in enumerate(passphrases):
            home = Path(folder) / str(number)
            home.mkdir(mode=0o700)
            rings.append(Keyring(home, f"key{number}@example.org", passphrase))
        for ring in rings:
            for other in rings:
                ring.learn(other)
        try:
            yield rings
        finally:
            for ring in rings:
                subprocess.run(["gpgconf", "--homedir", str(ring.folder), "--kill", "all"], check=False)

"""A backup of everything a store needs, made while it is used, and a restore that proves itself.

A backup is a folder: the database, the audit, the keys, the released exports, and a manifest with the hash of each file
and a signed checkpoint of the audit. It holds the keys, so it is as secret as they are.
"""

from __future__ import annotations

import glob
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from gateway import config, custody, durable, keys
from gateway.composition import Gateway, open_gateway
from gateway.errors import GatewayError, Invalid, Refused
from gateway.export import standing
from gateway.nhs import pseudonym
from gateway.store import copying, faults, jobs, ledger
from gateway.store.changes import record_write
from gateway.store.heads import Heads
from gateway.store.session import Session

MANIFEST, DATABASE = "manifest.json", "database"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup says of itself. ``files`` has the SHA-256 of each file by its path, ``root`` the fingerprint of the
    root key of exports ("" where there is none), as the ledger of releases has it, ``at`` µs UTC."""

    store: str
    mode: str
    at: int
    database: str
    schema: str
    checkpoint: str
    root: str
    exports: list[str]
    files: dict[str, str]


def make(gateway: Gateway, out: Path, by: str) -> Manifest:
    """Write a backup into a new folder. Raises ``Refused`` for one that is there, and where another key is in the
    place of the audit's; ``Invalid`` where the store is damaged: a backup of it would be kept and trusted. The audit
    holds when it began and how it ended."""
    with gateway.store.alone("backup"):
        if out.exists():
            raise Refused("the folder exists already: a backup is written into a new one")
        gateway.require_audit()
        _audit(gateway, by, "begun")
        try:
            with closing(gateway.audit()) as audit:
                heads = audit.heads()  # before anything is copied, so that what is copied has them
            manifest = _write(gateway, heads, out)
        except BaseException:
            # What failed is more to know than that it could not be recorded.
            with suppress(GatewayError, OSError), faults.named():
                _audit(gateway, by, "failed")
            raise
        _audit(gateway, by, "done")
    return manifest


def _audit(gateway: Gateway, by: str, outcome: str) -> None:
    with gateway.store.write() as session:
        record_write(session, {"act": "backup", "by": by, "outcome": outcome})
    gateway.seal()


def _write(gateway: Gateway, heads: Heads, out: Path) -> Manifest:
    """Write the folder under another name, which it has until it is whole and on disk."""
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    try:
        manifest = _copy_all(gateway, heads, partial)
        durable.write(partial / MANIFEST, [msgspec.json.format(msgspec.json.encode(manifest), indent=1)])
        durable.sync_all(partial)
        durable.rename({partial: out})
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def _copy_all(gateway: Gateway, heads: Heads, to: Path) -> Manifest:
    settings, store, place = gateway.settings, gateway.store, config.Settings(data_dir=to)
    (to / DATABASE).mkdir(mode=0o700)
    if settings.inbox_file.is_file():  # before the database: what is mapped meanwhile is then in both, or in one
        copying.copy_file(settings.inbox_file, place.inbox_file)
    released, schema = copying.copy_out(store, to / DATABASE, lambda copy: (_released(copy), copying.revision(copy)))
    if not store.postgres:
        copying.copy_file(settings.audit_file, place.audit_file)
    _copy_keys(settings.keys, place.keys)
    own = custody.opened(place.keys)
    own.write(heads)
    exports = [job for job in released if _copy_export(settings.exports / job, place.exports / job)]
    files = {str(path.relative_to(to)): _hash(path) for path in sorted(to.rglob("*")) if path.is_file()}
    return Manifest(
        store.id, store.mode, heads.at, "postgresql" if store.postgres else "sqlite", schema,
        own.signed(heads), _root(place.keys), exports, files,
    )  # fmt: skip


def _root(folder: Path) -> str:
    """The fingerprint of the pseudonym keys' root; "" where there is none."""
    is_there = keys.is_present(folder, keys.EXPORT_ROOT)
    return pseudonym.fingerprint(keys.read(folder, keys.EXPORT_ROOT)) if is_there else ""


def _released(session: Session) -> list[str]:
    return sorted(jobs.released(session, (standing.KIND,)))


def _copy_keys(folder: Path, to: Path) -> None:
    to.mkdir(mode=0o700)
    for path in folder.iterdir():
        if path.is_file() and not path.name.startswith("."):
            durable.write(to / path.name, [path.read_bytes()])


def _copy_export(folder: Path, to: Path) -> bool:
    """Copy the files of a released export; say whether they are there. They are not when its time is over, or it is
    cancelled meanwhile. What is not released is cut again after a restore, with the same bytes."""
    if not (folder / MANIFEST).is_file():
        return False
    to.mkdir(mode=0o700, parents=True)
    try:
        # In this order, because whoever removes them begins so, too.
        for path in [*sorted(folder.glob("*.ndjson")), *sorted(folder.glob(".decision.*")), folder / MANIFEST]:
            durable.write(to / path.name, _pieces(path))
    except FileNotFoundError:
        shutil.rmtree(to)
        return False
    return True


def restore(folder: Path, settings: config.Settings, by: str, against: Sequence[Path] = ()) -> Manifest:
    """Restore a backup into an empty place and prove that it holds: every file by its hash, the database by its own
    check, the audit by its chains and checkpoints.

    Raises ``Refused`` for a place that is not empty, ``Invalid`` for a backup that does not hold. Then nothing is left.
    """
    manifest = _read(folder)
    _require_empty(settings, manifest)
    config.prepare_data_dir(settings)
    is_filled, before = False, _beside_database(settings)
    try:
        for name, digest in manifest.files.items():
            if manifest.database == "sqlite" or not name.startswith(f"{DATABASE}/"):
                _place(folder / name, _target(settings, name), digest)
        durable.sync_all(settings.data_dir)
        if manifest.database == "postgresql":
            copying.copy_in(settings.url, manifest.schema, folder / DATABASE)
            is_filled = True
        with open_gateway(settings) as gateway:
            _prove(gateway, manifest, against)
            with gateway.store.write() as session:
                # Also those without files: what is done with their folder later is not done where the backup is from.
                jobs.move(session, _released(session), str(settings.exports))
                record_write(session, {"act": "restore", "by": by, "backup": manifest.at})
            gateway.seal()
    except BaseException:
        shutil.rmtree(settings.data_dir, ignore_errors=True)
        if is_filled:
            copying.clear(settings.url)
        for path in _beside_database(settings) - before:
            path.unlink(missing_ok=True)
        raise
    return manifest


def _read(folder: Path) -> Manifest:
    """The manifest of a backup whose files are all there as it says."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        raise Refused("the folder holds no backup: its manifest cannot be read") from None
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    if present != manifest.files.keys():
        raise Invalid("the backup: its files are not those that its manifest names")
    for number, (name, digest) in enumerate(sorted(manifest.files.items()), 1):
        if _hash(folder / name) != digest:
            raise Invalid(f"the backup: file {number} of its manifest was changed")
    return manifest


def _require_empty(settings: config.Settings, manifest: Manifest) -> None:
    if settings.data_dir.exists() and any(settings.data_dir.iterdir()):
        raise Refused("the data folder is not empty: a restore needs a new one")
    if (settings.database_url.startswith("postgresql")) != (manifest.database == "postgresql"):
        raise Refused(f"GATEWAY_DATABASE_URL: the backup is of a {manifest.database} database")
    beside = {path.name for path in _beside_database(settings)}  # SQLite would play an old log into the new file
    if beside and beside & {_database_file(settings).name + end for end in ("", "-wal", "-shm", "-journal")}:
        raise Refused("the database exists already: restore into an empty place")


def _target(settings: config.Settings, name: str) -> Path:
    if name == f"{DATABASE}/{copying.DATABASE_FILE}":
        return _database_file(settings)
    return settings.data_dir / name


def _database_file(settings: config.Settings) -> Path:
    return Path(settings.url.split("///", 1)[1])


def _beside_database(settings: config.Settings) -> set[Path]:
    """The file of a SQLite database, and what lies beside it under its name: its log and locks. It may lie outside of
    the data folder."""
    if settings.database_url.startswith("postgresql"):
        return set()
    path = _database_file(settings)
    return set(path.parent.glob(f"{glob.escape(path.name)}*"))


def _place(source: Path, target: Path, digest: str) -> None:
    """Copy a file to its place and on disk. What is there is compared with the manifest, and not what was read."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable.write(target, _pieces(source))
    durable.sync(target.parent)
    if _hash(target) != digest:
        raise Invalid("the backup: a file was changed while it was restored")


def _prove(gateway: Gateway, manifest: Manifest, against: Sequence[Path]) -> None:
    own = gateway.audit_keys()
    kept = [own.checked(manifest.checkpoint), *(heads for path in against for heads in own.checkpoints(path))]
    if gateway.store.id != manifest.store:
        raise Invalid("the backup: its database is another store's")
    _prove_root(gateway, manifest)
    for path in [gateway.store.path, gateway.settings.audit_file] if gateway.store.path else []:
        copying.check_file(path)
    with closing(gateway.audit()) as audit:
        broken = audit.verify(*kept).broken
    if broken:
        raise Invalid(f"the backup: its audit does not hold ({broken[0]})")


def _prove_root(gateway: Gateway, manifest: Manifest) -> None:
    """The root of all pseudonyms is the one that the manifest names, and that the ledger's releases were made with."""
    if _root(gateway.settings.keys) != manifest.root:
        raise Invalid("the backup: the root key of its exports is not the one that its manifest names")
    with gateway.store.read() as session:
        is_begun = ledger.is_begun(session)
    if manifest.root or is_begun:
        gateway.export_root()


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            yield piece

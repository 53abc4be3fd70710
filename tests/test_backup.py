"""A backup is made while the store is used, holds everything, and a restore of it proves itself or leaves nothing."""

import errno
import json
import shutil
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from gateway import backup, composition, config, durable, keys
from gateway.errors import GatewayError, Invalid, Refused
from gateway.export import standing
from gateway.intake import load, take
from gateway.intake.listen import emptying
from gateway.store import copying, jobs, migrations
from gateway.store.connecting import new_engine
from gateway.store.database import Store, open_store
from gateway.store.session import Session, driver_of
from gateway.synth import world
from mappings import Feed, sources
from tests.api.conftest import TODAY
from tests.intake.listening import adt, code, listening


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> world.Manifest:
    return world.write(tmp_path_factory.mktemp("sent"), 10, 1, TODAY)


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request, tmp_path) -> tuple[config.Settings, config.Settings]:
    """The settings of a store, and of an empty place to restore it into."""

    def settings(name: str, url: str) -> config.Settings:
        return config.Settings(data_dir=tmp_path / name, database_url=url, sandbox=True)

    if request.param == "sqlite":
        return settings("data", ""), settings("other", "")
    import psycopg

    first = request.getfixturevalue("postgres_url")
    with psycopg.connect(first, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"CREATE DATABASE {name}_other")
    return settings("data", first), settings("other", first.replace(f"/{name}", f"/{name}_other", 1))


def loaded(gateway: composition.Gateway, sent: world.Manifest, *names: str) -> None:
    for name in names:
        load.load(gateway.store, sources()[name], sent.path(name), Feed(), gateway.code_sets(), workers=0)


def state(store: Store) -> dict[str, list]:
    """What a store holds, without the numbers that depend on the order of commits."""
    with store.read() as session:
        return {
            "heads": session.rows(
                "SELECT h.type, h.id, h.number, h.deleted, h.labels, v.body FROM head h JOIN version v ON v.key = h.body "
                "ORDER BY h.id"
            ),
            "kept": session.rows("SELECT hash, ord, body FROM kept ORDER BY hash"),
            "persons": session.rows("SELECT patient, grade FROM person ORDER BY patient"),
            "entries": session.rows("SELECT count(*) FROM entry"),
            "touched": session.rows("SELECT count(*) FROM touched"),
        }  # fmt: skip


def test_a_backup_made_while_a_load_runs_is_restored_and_the_load_ends_as_it_would_have(
    places, sent, tmp_path, monkeypatch
):
    monkeypatch.setattr(take, "GROUPS_AT_ONCE", 20)
    settings, elsewhere = places
    with composition.create_gateway(settings, "sandbox") as gateway:
        loaded(gateway, sent, "emis")
        is_mapping, reported = threading.Event(), []

        def progress(phase: str, done: int, of: int) -> None:
            if phase == "groups mapped" and done:
                is_mapping.set()

        def run() -> None:
            source = sources()["hl7v2"]
            arguments = (gateway.store, source, sent.path("hl7v2"), Feed(), gateway.code_sets())
            reported.append(load.load(*arguments, workers=0, progress=progress))

        loading = threading.Thread(target=run)
        loading.start()
        assert is_mapping.wait(60)
        manifest = backup.make(gateway, tmp_path / "backup", "me")
        loading.join()
        assert reported[0].state == "done"
        loaded(gateway, sent, "cld")
        whole = state(gateway.store)
    assert not [path for path in (tmp_path / "backup").rglob("*") if path.stat().st_mode & 0o077]
    restored = backup.restore(tmp_path / "backup", elsewhere, "me")
    assert restored == manifest
    with composition.open_gateway(elsewhere) as gateway:
        loaded(gateway, sent, "hl7v2", "cld")
        assert state(gateway.store) == whole
        gateway.seal()
        verdict = gateway.audit().verify()
        assert verdict.rows == verdict.keyed and not verdict.broken
        acts = [event["act"] for event in gateway.audit().events("write")]
        assert acts.index("backup") < acts.index("restore")


@pytest.fixture
def made(places, sent, tmp_path) -> tuple[Path, config.Settings]:
    """A backup, and an empty place to restore it into."""
    settings, elsewhere = places
    with composition.create_gateway(settings, "sandbox") as gateway:
        loaded(gateway, sent, "cld")
        backup.make(gateway, tmp_path / "backup", "me")
    return tmp_path / "backup", elsewhere


def changed(folder: Path) -> None:
    path = max(folder.rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def removed(folder: Path) -> None:
    (folder / "keys" / "audit-chain.key").unlink()


def added(folder: Path) -> None:
    (folder / "keys" / "more").write_bytes(b"x")


def shortened(folder: Path) -> None:
    """The checkpoint in the manifest is of a later moment than the database."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["checkpoint"] = manifest["checkpoint"][:-4] + "AAAA"
    (folder / "manifest.json").write_text(json.dumps(manifest))


def unnamed(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("damage", [changed, removed, added, shortened, unnamed])
def test_a_backup_that_does_not_hold_is_refused_and_leaves_nothing(made, damage):
    folder, elsewhere = made
    damage(folder)
    with pytest.raises(GatewayError):
        backup.restore(folder, elsewhere, "me")
    assert not elsewhere.data_dir.exists()
    with pytest.raises(Refused, match="there is no store here|does not exist"):
        composition.open_gateway(elsewhere)


def test_a_place_that_is_in_use_is_refused_and_stays_as_it_is(made):
    folder, elsewhere = made
    backup.restore(folder, elsewhere, "me")
    with composition.open_gateway(elsewhere) as gateway:
        before = state(gateway.store)
    with pytest.raises(Refused, match="not empty"):
        backup.restore(folder, elsewhere, "me")
    with composition.open_gateway(elsewhere) as gateway:
        assert state(gateway.store) == before


def test_a_store_that_is_damaged_is_not_backed_up_in_good_faith(tmp_path, sent):
    settings = config.Settings(data_dir=tmp_path / "data", sandbox=True)
    with composition.create_gateway(settings, "sandbox") as gateway:
        loaded(gateway, sent, "cld")
    path = settings.data_dir / "gateway.db"
    data = bytearray(path.read_bytes())
    middle = len(data) * 3 // 4 // 4096 * 4096  # rows: the schema lies before
    data[middle : middle + 8192] = b"\xa5" * 8192
    path.write_bytes(data)
    with composition.open_gateway(settings) as gateway, pytest.raises(Invalid, match="damaged"):
        backup.make(gateway, tmp_path / "backup", "me")
    assert [path.name for path in tmp_path.glob("*backup*")] == []


def release(gateway: composition.Gateway, job: str) -> Path:
    """A released export with one file."""
    folder = gateway.exports() / job
    folder.mkdir(mode=0o700)
    (folder / "Patient.00000.ndjson").write_text("{}\n")
    (folder / "manifest.json").write_text("{}")
    with gateway.store.write() as session:
        jobs.create(session, job, standing.KIND, "client", {})
        jobs.finish(session, job, "done", {"out": str(folder)})
    return folder


def test_exports_that_come_and_go_while_a_backup_is_made_do_not_spoil_it(places, tmp_path, monkeypatch):
    settings, elsewhere = places
    with composition.create_gateway(settings, "sandbox") as gateway:
        release(gateway, "a" * 32)
        gone, copy_keys = release(gateway, "b" * 32), backup._copy_keys

        def meanwhile(*arguments: Path) -> None:
            copy_keys(*arguments)
            release(gateway, "c" * 32)
            shutil.rmtree(gone)

        monkeypatch.setattr(backup, "_copy_keys", meanwhile)
        manifest = backup.make(gateway, tmp_path / "backup", "me")
    assert manifest.exports == ["a" * 32]
    backup.restore(tmp_path / "backup", elsewhere, "me")
    with composition.open_gateway(elsewhere) as gateway, gateway.store.read() as session:
        assert jobs.get(session, "c" * 32) is None
        for job in ("a" * 32, "b" * 32):
            assert jobs.get(session, job).outcome["out"] == str(elsewhere.exports / job)
        assert (elsewhere.exports / ("a" * 32) / "manifest.json").is_file()


@pytest.fixture
def backed(tmp_path) -> Path:
    """A backup of an empty SQLite store."""
    with composition.create_gateway(config.Settings(data_dir=tmp_path / "data", sandbox=True), "sandbox") as gateway:
        backup.make(gateway, tmp_path / "backup", "me")
    return tmp_path / "backup"


def outside(tmp_path: Path) -> config.Settings:
    """The settings of a place whose database lies outside of its data folder."""
    (tmp_path / "outside").mkdir()
    url = f"sqlite:///{tmp_path / 'outside' / 'store.db'}"
    return config.Settings(data_dir=tmp_path / "other", database_url=url, sandbox=True)


def test_a_restore_that_fails_leaves_nothing_beside_a_database_elsewhere(backed, tmp_path, monkeypatch):
    elsewhere = outside(tmp_path)
    (tmp_path / "outside" / "store.db.md").write_text("somebody else's")

    def fails(gateway, *_):
        with gateway.store.write() as session:
            session.run("UPDATE clock SET label_seq = 1")
        assert len(list((tmp_path / "outside").iterdir())) > 3
        raise Invalid("the backup")

    with monkeypatch.context() as patched, pytest.raises(Invalid):
        patched.setattr(backup, "_prove", fails)
        backup.restore(backed, elsewhere, "me")
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["store.db.md"]
    assert backup.restore(backed, elsewhere, "me").files


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_an_old_log_beside_the_place_of_the_database_is_refused(backed, tmp_path, end):
    elsewhere = outside(tmp_path)
    (tmp_path / "outside" / f"store.db{end}").write_bytes(b"an older store's")
    with pytest.raises(Refused, match="exists already"):
        backup.restore(backed, elsewhere, "me")
    assert (tmp_path / "outside" / f"store.db{end}").read_bytes() == b"an older store's"


def test_a_file_that_is_not_restored_as_it_was_is_told(backed, tmp_path, monkeypatch):
    elsewhere, real, hashed = outside(tmp_path), backup._hash, []

    def rotten(path: Path) -> str:
        hashed.append(path)
        return real(path) if backed in path.parents else "0" * 64

    monkeypatch.setattr(backup, "_hash", rotten)
    with pytest.raises(Invalid, match="changed while it was restored"):
        backup.restore(backed, elsewhere, "me")
    assert not elsewhere.data_dir.exists() and any(tmp_path / "other" in path.parents for path in hashed)


def test_the_audit_holds_how_a_backup_ended(tmp_path, monkeypatch):
    def outcomes() -> list[str]:
        return [event["outcome"] for event in gateway.audit().events("write") if event["act"] == "backup"]

    def fails(*_):
        raise OSError(28, "full")

    with composition.create_gateway(config.Settings(data_dir=tmp_path / "data", sandbox=True), "sandbox") as gateway:
        backup.make(gateway, tmp_path / "one", "me")
        with monkeypatch.context() as patched, pytest.raises(OSError):
            patched.setattr(backup, "_copy_keys", fails)
            backup.make(gateway, tmp_path / "two", "me")
        with pytest.raises(Refused, match="exists already"):
            backup.make(gateway, tmp_path / "one", "me")
        assert outcomes() == ["begun", "done", "begun", "failed"]
        verdict = gateway.audit().verify()
        assert verdict.rows == verdict.sealed


def test_a_second_backup_waits_for_the_first_and_leaves_it_alone(tmp_path, monkeypatch):
    copy_keys, waiting = backup._copy_keys, []
    with composition.create_gateway(config.Settings(data_dir=tmp_path / "data", sandbox=True), "sandbox") as gateway:

        def second() -> None:
            with pytest.raises(Refused, match="exists already"):
                backup.make(gateway, tmp_path / "backup", "other")

        def meanwhile(*arguments: Path) -> None:
            waiting.append(threading.Thread(target=second))
            waiting[0].start()
            waiting[0].join(0.3)
            copy_keys(*arguments)

        monkeypatch.setattr(backup, "_copy_keys", meanwhile)
        backup.make(gateway, tmp_path / "backup", "me")
        waiting[0].join()
    assert backup.restore(tmp_path / "backup", outside(tmp_path), "me").files


def test_a_root_key_that_is_not_the_manifests_is_refused(tmp_path):
    settings = config.Settings(data_dir=tmp_path / "data", sandbox=True)
    elsewhere = config.Settings(data_dir=tmp_path / "other", sandbox=True)
    with composition.create_gateway(settings, "sandbox") as gateway:
        gateway.export_root()
        backup.make(gateway, tmp_path / "backup", "me")
    key, path = tmp_path / "backup" / "keys" / keys.EXPORT_ROOT.name, tmp_path / "backup" / "manifest.json"
    key.write_bytes(bytes(32))
    manifest = json.loads(path.read_text())
    manifest["files"]["keys/" + key.name] = backup._hash(key)
    path.write_text(json.dumps(manifest))
    with pytest.raises(Invalid, match="root key"):
        backup.restore(tmp_path / "backup", elsewhere, "me")
    assert not elsewhere.data_dir.exists()


@pytest.mark.parametrize("places", ["postgresql"], indirect=True)
def test_a_copy_that_fails_leaves_the_database_as_empty_as_it_was(made, monkeypatch):
    folder, elsewhere = made
    pieces, opened = copying._pieces, []

    def failing(path: Path, *more: int):
        opened.append(path)
        if len(opened) == 5:
            raise OSError(28, "full")
        yield from pieces(path, *more)

    with monkeypatch.context() as patched, pytest.raises(OSError):
        patched.setattr(copying, "_pieces", failing)
        backup.restore(folder, elsewhere, "me")
    backup.restore(folder, elsewhere, "me")


@pytest.mark.parametrize("places", ["postgresql"], indirect=True)
def test_a_copy_of_an_older_schema_is_read_back_and_brought_up(places, tmp_path):
    older, newer = (settings.url for settings in places)
    engine = new_engine(older)
    migrations.create(engine, "0003")
    with engine.begin() as connection:
        Session(driver_of(connection), True).run(
            "INSERT INTO store (id, mode, namespace, created) VALUES ('it', 'sandbox', ?, 1)", str(uuid.UUID(int=1))
        )
    (tmp_path / "copy").mkdir()
    revision = copying.copy_out(Store(older, engine, lambda: 1), tmp_path / "copy", copying.revision)
    engine.dispose()
    assert revision == "0003"
    copying.copy_in(newer, revision, tmp_path / "copy")
    store = open_store(newer)
    assert store.id == "it"
    store.close()


@pytest.mark.slow
def test_the_commands_back_up_and_restore(tmp_path, monkeypatch):
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "gateway", *words], capture_output=True, text=True)

    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    assert run("init", "sandbox").returncode == 0
    kept = tmp_path / "kept"
    kept.write_text(run("audit", "checkpoint").stdout)
    assert run("backup", str(tmp_path / "backup"), "--json").returncode == 0
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "other"))
    done = run("restore", str(tmp_path / "backup"), "--against", str(kept), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["files"] > 4, done.stderr
    assert run("audit", "verify", "--against", str(kept)).returncode == 0


@pytest.mark.hazard("HZ-FEED-06")
def test_messages_that_wait_are_in_a_backup_and_mapped_after_a_restore(places, tmp_path, monkeypatch):
    settings, elsewhere = places
    with composition.create_gateway(settings, "sandbox") as gateway:
        with monkeypatch.context() as still:
            still.setattr(emptying.Emptying, "one", lambda *_: False)
            with listening(gateway.store, settings.inbox_file) as listened:
                assert code(listened.sent(adt("1"))) == "AA"
        backup.make(gateway, tmp_path / "backup", "somebody")
    backup.restore(tmp_path / "backup", elsewhere, "somebody")
    with composition.open_gateway(elsewhere) as gateway, listening(gateway.store, elsewhere.inbox_file) as listened:
        listened.mapped()
        assert listened.rows() == 1


def test_what_failed_is_told_and_not_that_it_could_not_be_sealed(places, tmp_path, monkeypatch):
    def closed(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    settings, _ = places
    with composition.create_gateway(settings, "sandbox") as gateway:

        def write(*_):
            monkeypatch.setattr(durable, "write_whole", closed)
            raise Invalid("what failed first")

        monkeypatch.setattr(backup, "_write", write)
        with pytest.raises(Invalid, match="what failed first"):
            backup.make(gateway, tmp_path / "backup", "me")
        assert [*gateway.audit().events("write")][-1]["outcome"] == "failed"

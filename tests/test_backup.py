"""A backup is made while the store is used, holds everything, and a restore of it proves itself or leaves nothing."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway import backup, composition, config
from gateway.errors import GatewayError, Invalid, Refused
from gateway.intake import load, take
from gateway.store.database import Store
from gateway.synth import world
from mappings import Feed, sources
from tests.api.conftest import TODAY


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
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8192] = b"\xa5" * 8192
    path.write_bytes(data)
    with composition.open_gateway(settings) as gateway, pytest.raises(Invalid, match="damaged"):
        backup.make(gateway, tmp_path / "backup", "me")
    assert [path.name for path in tmp_path.glob("*backup*")] == []


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

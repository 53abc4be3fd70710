"""Whatever is done to an audit, its chain under a key and the heads that are kept elsewhere show it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import pytest

from gateway import composition, config, custody, keys
from gateway.commands import main
from gateway.errors import Refused
from gateway.store import chain, ledger
from gateway.store.audit import Audit
from gateway.store.changes import record_write


@pytest.fixture
def settings(tmp_path, monkeypatch) -> config.Settings:
    """A sandbox store with a sealed audit of reads and writes, and a ledger; its checkpoints were copied out twice."""
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    settings = config.read()
    with composition.create_gateway(settings, "sandbox") as gateway:
        act(gateway, 1200)
        (tmp_path / "kept").write_text(checkpoint(gateway))
    shutil.copytree(settings.data_dir, tmp_path / "older")
    with composition.open_gateway(settings) as gateway:
        act(gateway, 5)
        with (tmp_path / "kept").open("a") as kept:
            kept.write(checkpoint(gateway))
    return settings


def act(gateway: composition.Gateway, count: int) -> None:
    audit = gateway.writing_audit()
    for number in range(count):
        audit.record({"act": "read", "n": number})
    with gateway.store.write() as session:
        record_write(session, {"act": "permit", "user": "u"})
        ledger.append(session, {"release": f"job {count}"})
    audit.close()
    gateway.seal()


def checkpoint(gateway: composition.Gateway) -> str:
    audit = gateway.audit()
    line = gateway.audit_keys().signed(audit.heads())
    audit.close()
    return line + "\n"


def verify(capsys, *words: object) -> tuple[int, dict]:
    capsys.readouterr()
    code = main(["audit", "verify", *map(str, words)])
    return code, json.loads(capsys.readouterr().out)


def test_a_whole_audit_verifies_and_says_how_much_is_sealed(settings, tmp_path, capsys):
    code, verdict = verify(capsys, "--against", tmp_path / "kept")
    assert code == 0 and verdict == {**verdict, "unsealed": 0, "broken": []}
    assert verdict["rows"] == verdict["sealed"] == verdict["keyed"] == 1207
    with composition.open_gateway(settings) as gateway:
        audit = gateway.writing_audit()
        audit.record({"act": "read"})
        audit.close()
    code, verdict = verify(capsys, "--against", tmp_path / "kept")
    assert (code, verdict["rows"], verdict["sealed"], verdict["unsealed"]) == (0, 1208, 1207, 1)


def on(name: str, *statements: str) -> Callable[[Path], None]:
    """Damage one database of a data folder as its owner can."""

    def change(data: Path) -> None:
        connection = sqlite.connect(str(data / name), isolation_level=None)
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)
        connection.close()

    return change


def chain_again(data: Path) -> None:
    """Change a row and compute every seal again, as somebody without the key can."""
    on("audit.db", "UPDATE audit SET event = '{}' WHERE seq = 3")(data)
    connection = sqlite.connect(str(data / "audit.db"), isolation_level=None)
    rows = connection.execute("SELECT seq, at, event FROM audit ORDER BY seq").fetchall()
    connection.execute("DELETE FROM seal")
    connection.executemany("INSERT INTO seal (last, rows, hash) VALUES (?, ?, ?)", list(chain.seals("", rows)))
    connection.close()


def older(data: Path) -> None:
    """Put back an older copy of the store, but not of the keys, which lie apart."""
    for name in ("gateway.db", "audit.db"):
        for path in data.glob(f"{name}*"):
            path.unlink()
        shutil.copy(data.parent / "older" / name, data / name)


def gone(data: Path) -> None:
    for path in data.glob("audit.db*"):
        path.unlink()


def foreign(data: Path) -> None:
    """Another store's audit in its place."""
    gone(data)
    elsewhere = config.Settings(data_dir=data.parent / "elsewhere", sandbox=True)
    with composition.create_gateway(elsewhere, "sandbox") as gateway:
        act(gateway, 30)
    shutil.copy(elsewhere.audit_file, data / "audit.db")


def without_checkpoint(data: Path) -> None:
    (data / "keys" / custody.CHECKPOINT).unlink()


DAMAGE = {
    "a row edited": on("audit.db", "UPDATE audit SET event = '{}' WHERE seq = 3"),
    "a row deleted": on("audit.db", "DELETE FROM audit WHERE seq = 3"),
    "the oldest rows deleted": on("audit.db", "DELETE FROM audit WHERE seq <= 1000", "DELETE FROM seal WHERE last <= 1000"),
    "the seals deleted, a row edited": on("audit.db", "DELETE FROM seal", "UPDATE audit SET event = '{}' WHERE seq = 3"),
    "the chain computed again without the key": chain_again,
    "the tail dropped with its seals": on(
        "audit.db", "DELETE FROM audit WHERE seq > 1000", "DELETE FROM seal WHERE last > 1000"
    ),
    "everything removed": on("audit.db", "DELETE FROM audit", "DELETE FROM seal"),
    "the file deleted": gone,
    "an older copy put back": older,
    "another store's audit": foreign,
    "the ledger emptied": on("gateway.db", "DELETE FROM ledger"),
    "the newest release removed": on("gateway.db", "DELETE FROM ledger WHERE seq = (SELECT max(seq) FROM ledger)"),
    "a write removed with its seal": on(
        "gateway.db", "DELETE FROM audit WHERE seq > 1", "DELETE FROM seal WHERE last > 1"
    ),
    "the checkpoint removed": without_checkpoint,
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_to_the_audit_is_found_by_what_lies_beside_the_keys(settings, capsys, name):
    DAMAGE[name](settings.data_dir)
    code, verdict = verify(capsys)
    assert code == 1 and verdict["broken"]


def everything_older(data: Path) -> None:
    """Put back an older copy of the whole data folder, keys and all."""
    shutil.rmtree(data)
    shutil.copytree(data.parent / "older", data)


def with_the_key(data: Path) -> None:
    """Change a row and compute the chain again with the key, and the checkpoint too."""
    own = custody.opened(data / "keys")
    on("audit.db", "UPDATE audit SET event = '{}' WHERE seq = 3", "DELETE FROM seal")(data)
    connection = sqlite.connect(str(data / "audit.db"), isolation_level=None)
    rows = connection.execute("SELECT seq, at, event FROM audit ORDER BY seq").fetchall()
    seals = list(chain.seals("", rows, key=own.key, stream="read"))
    connection.executemany("INSERT INTO seal (last, rows, hash) VALUES (?, ?, ?)", seals)
    connection.close()
    with composition.open_gateway(config.Settings(data_dir=data)) as gateway:
        audit = Audit(gateway.store, data / "audit.db")
        own.write(audit.heads())
        audit.close()


def with_other_keys(data: Path) -> None:
    """Begin the audit anew, under new keys."""
    gone(data)
    for name in (keys.AUDIT.name, keys.AUDIT_CHAIN.name, keys.AUDIT_SIGNING.name, custody.CHECKPOINT):
        (data / "keys" / name).unlink()
    on("gateway.db", "DELETE FROM audit", "DELETE FROM seal")(data)
    with composition.open_gateway(config.Settings(data_dir=data)) as gateway:
        gateway.seal()


@pytest.mark.parametrize("damage", [everything_older, with_the_key, with_other_keys])
def test_what_whoever_holds_the_keys_could_hide_is_found_by_a_checkpoint_that_was_copied_out(
    settings, tmp_path, capsys, damage
):
    damage(settings.data_dir)
    assert verify(capsys)[0] == 0, "nothing here can know"
    code, verdict = verify(capsys, "--against", tmp_path / "kept")
    assert code == 1 and verdict["broken"]


def test_sealing_after_a_loss_does_not_hide_it(settings, capsys):
    DAMAGE["the tail dropped with its seals"](settings.data_dir)
    assert main(["audit", "seal"]) == 1
    code, verdict = verify(capsys)
    assert code == 1 and verdict["broken"] == ["read up to 1205: not what the checkpoint holds"]


def test_a_loss_can_be_accepted_and_the_checkpoints_elsewhere_go_on_showing_it(settings, tmp_path, capsys):
    DAMAGE["the tail dropped with its seals"](settings.data_dir)
    assert main(["audit", "accept", "--as", "officer"]) == 0
    assert verify(capsys)[0] == 0
    assert verify(capsys, "--against", tmp_path / "kept")[0] == 1
    with composition.open_gateway(settings) as gateway:
        (event,) = [event for event in gateway.audit().events("write") if event["act"] == "audit.accept"]
    assert (event["by"], event["lost"]) == ("officer", ["read up to 1205: not what the checkpoint holds"])


@pytest.mark.parametrize("text", ["", "eyJ.eyJ.x", "é"])
def test_a_file_that_holds_no_checkpoint_of_this_store_proves_nothing(settings, tmp_path, capsys, text):
    (tmp_path / "kept").write_text(text)
    capsys.readouterr()
    assert main(["audit", "verify", "--against", str(tmp_path / "kept")]) in (1, 2)


def test_a_lost_key_is_not_replaced_by_a_new_one(settings):
    (settings.keys / keys.AUDIT_CHAIN.name).unlink()
    with composition.open_gateway(settings) as gateway:
        for begin in (gateway.seal, gateway.writing_audit):
            with pytest.raises(Refused, match="keys/audit-chain.key is missing, and the audit is sealed under it"):
                begin()
        assert gateway.audit().verify().broken


@pytest.fixture(params=["sqlite", "postgresql"])
def earlier(request, tmp_path) -> composition.Gateway:
    """A store of version 0.1, whose audit was sealed without a key."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    settings = config.Settings(data_dir=tmp_path / "data", database_url=url, sandbox=True)
    with composition.create_gateway(settings, "sandbox") as gateway:
        for name in (keys.AUDIT_CHAIN.name, keys.AUDIT_SIGNING.name, custody.CHECKPOINT):
            (settings.keys / name).unlink()
        plain = Audit(gateway.store, settings.audit_file)
        for number in range(5):
            plain.record({"act": "read", "n": number})
        with gateway.store.write() as session:
            record_write(session, {"act": "permit", "user": "u"})
        plain.seal()
        plain.close()
        yield gateway


def test_an_audit_of_version_0_1_verifies_and_goes_on_under_a_key(earlier):
    before = earlier.audit().verify()
    assert (before.rows, before.sealed, before.keyed, before.broken) == (6, 6, 0, [])
    act(earlier, 3)
    after = earlier.audit().verify()
    assert (after.rows, after.sealed, after.keyed, after.broken) == (10, 10, 4, [])


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET event = '{}' WHERE seq = (SELECT min(seq) FROM audit)", "again"]
)
def test_what_version_0_1_sealed_is_under_the_key_that_follows(earlier, statement):
    act(earlier, 3)
    if earlier.store.postgres:
        return
    data = earlier.settings.data_dir
    chain_again(data) if statement == "again" else on("audit.db", statement)(data)
    assert earlier.audit().verify().broken


def test_a_seal_made_while_an_audit_is_verified_is_no_loss(settings, monkeypatch):
    with composition.open_gateway(settings) as gateway:
        audit, verify_chain, sealed = gateway.audit(), chain.verify, []

        def beside_a_sealer(name, rows, *more):
            verdict = verify_chain(name, rows, *more)
            if not sealed:
                sealed.append(name)
                act(gateway, 3)
            return verdict

        monkeypatch.setattr(chain, "verify", beside_a_sealer)
        assert audit.verify().broken == [] and sealed
        audit.close()

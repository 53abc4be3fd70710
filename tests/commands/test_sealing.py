"""A command that the audit holds seals it at its end: what was done by hand is under a seal at once."""

import json

import msgspec
import pysqlite3.dbapi2 as sqlite
import pytest

from gateway import composition, config, custody, durable, keys
from gateway.commands import audit, main
from gateway.signin import statement
from gateway.store.append_file import AppendFile
from gateway.store.changes import record_write

ACTS = (
    "rejects purge", "rejects drop 99", "audit show --limit 1", "rejects list", "optout status", "audit verify",
)  # fmt: skip


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    with composition.create_gateway(config.read(), "sandbox") as gateway:
        with gateway.store.write() as session:
            record_write(session, {"act": "init"})
        gateway.seal()


@pytest.mark.parametrize("words", ACTS)
def test_nothing_is_left_unsealed(data, capsys, words):
    assert main(words.split()) in (0, 1)
    capsys.readouterr()
    assert main(["audit", "verify"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["unsealed"] == 0 and verdict["keyed"] == verdict["rows"]


def shown(capsys, words: str = "audit show") -> tuple[int, list[dict], str]:
    """The exit code, the events and the errors of a look at the audit."""
    capsys.readouterr()
    code = main(words.split())
    printed = capsys.readouterr()
    return code, [json.loads(line) for line in printed.out.splitlines()], printed.err


def test_the_audit_is_read_beside_a_load_and_the_look_is_recorded_and_sealed(data, capsys, monkeypatch):
    monkeypatch.setattr(audit, "PATIENCE", 0.2)
    with composition.open_gateway(config.read()) as gateway, gateway.store.write() as session:
        record_write(session, {"act": "load"})  # which a seal of the writes would wait for
        code, before, _ = shown(capsys)
        assert code == 0 and [event["act"] for event in before] == ["init"]
        code, events, _ = shown(capsys)
    assert code == 0 and [(event["stream"], event["act"]) for event in events] == [
        ("write", "init"),
        ("read", "audit.show"),
    ]
    assert events[1]["account"]
    with composition.open_gateway(config.read()) as gateway:
        assert gateway.audit().unsealed(9)["read"] == (0, None)


def full(*_):
    error = sqlite.OperationalError("database or disk is full")
    error.sqlite_errorcode = 13
    raise error


def test_on_a_full_disk_the_audit_is_read_and_it_is_said_that_the_look_is_not_recorded(data, capsys, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(AppendFile, "append", full)
        code, events, said = shown(capsys)
    assert code == 1 and [event["act"] for event in events] == ["init"] and "not recorded" in said


@pytest.mark.parametrize("fails", [full, lambda *_: (_ for _ in ()).throw(OSError(28, "full"))])
def test_a_look_that_is_recorded_and_cannot_be_sealed_is_left_to_the_next_sealer(data, capsys, monkeypatch, fails):
    monkeypatch.setattr(durable, "write_whole", fails)
    code, events, said = shown(capsys)
    assert code == 0 and events and not said


def test_another_key_in_the_place_of_the_audit_s_seals_nothing(data, capsys, tmp_path):
    path = config.read().keys / keys.AUDIT_CHAIN.name
    key = path.read_bytes()
    path.write_bytes(bytes(reversed(key)))
    backup, before = tmp_path / "backup", written()
    commands = (
        "rejects purge", "rejects list --names", "rejects show 1", "mismatches", "token --user dr-green", f"export resume 1 --out {backup}",
        "work --once", f"backup {backup}", "audit seal", "audit checkpoint", "optout load nowhere.csv", "init sandbox",
    )  # fmt: skip
    for words in commands:
        assert main(words.split()) == 2
        assert "keys/audit-chain.key is not the key of this audit" in capsys.readouterr().err
    assert written() == before and not backup.exists(), "each is refused before it acts"
    code, events, _ = shown(capsys)
    assert code == 0 and events, "what is there can still be read"
    assert main(["audit", "verify"]) == 1
    path.write_bytes(key)
    assert main(["audit", "seal"]) == 0


def written() -> list[dict]:
    """What the audit holds of writes."""
    with composition.open_gateway(config.read()) as gateway:
        return [*gateway.audit().events("write")]


def test_a_checkpoint_of_before_names_no_key_and_holds(data, capsys):
    own = custody.opened(config.read().keys)
    kept = own.read()
    assert kept.key and kept.key not in path_text(own)
    durable.write_whole(
        own.folder / custody.CHECKPOINT, statement.sign(own.signing, {**msgspec.to_builtins(kept), "key": ""}).encode()
    )
    assert own.read().key == "" and main(["audit", "seal"]) == 0
    assert own.read().key == kept.key


def path_text(own: custody.Custody) -> str:
    return own.key.hex()


@pytest.mark.parametrize(
    "words", ["audit verify", "audit show", "audit seal", "audit checkpoint", "check", "check --json"]
)
def test_a_data_folder_that_does_not_exist_is_named_before_the_audit(data, tmp_path, capsys, monkeypatch, words):
    """The database lies elsewhere, so that only the audit and the keys are looked for in the wrong folder."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", config.read().url)
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "no-such"))
    assert main(words.split()) == 2
    printed = capsys.readouterr()
    assert "the data folder does not exist" in printed.err and "served" not in printed.err and not printed.out
    assert not (tmp_path / "no-such").exists()


@pytest.mark.parametrize("words", ["audit verify", "audit checkpoint", "check"])
def test_a_data_folder_that_does_not_exist_is_named_where_the_audit_lies_in_postgresql(
    postgres_url, tmp_path, capsys, monkeypatch, words
):
    settings = config.Settings(data_dir=tmp_path / "data", database_url=postgres_url, sandbox=True)
    composition.create_gateway(settings, "sandbox").close()
    monkeypatch.setenv("GATEWAY_DATABASE_URL", postgres_url)
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "no-such"))
    assert main(words.split()) == 2
    assert "the data folder does not exist" in capsys.readouterr().err and not (tmp_path / "no-such").exists()

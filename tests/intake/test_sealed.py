"""Files that are encrypted with PGP: read where they can be trusted, refused with the reason where not, and never left
behind decrypted."""

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.commands import main
from gateway.errors import Refused
from gateway.intake import staging, unsealing
from mappings import Feed
from mappings.readers import zip as archives
from tests.intake.keyring import GPG, keyrings
from tests.mappings import harness_emis
from tests.mappings.harness_hl7v2 import adt

pytestmark = pytest.mark.skipif(GPG is None, reason="gpg is not installed")
ROOT = Path(__file__).parents[2]
MESSAGE = adt("A28", "20250601070000", "PID|1||H1^^^RXQ||Marsh^Ann||19700203|2").encode()


@pytest.fixture(scope="module")
def rings():
    """The gateway's own key with a passphrase, the supplier's, and a stranger's."""
    with keyrings("open sesame", "", "") as made:
        yield made


@pytest.fixture
def feed(rings, tmp_path) -> Feed:
    (tmp_path / "phrase").write_text("open sesame\n")
    return Feed(name="ward", settings={"pgp": table(rings, tmp_path)})


def table(rings, tmp_path, **more) -> dict:
    return {"homedir": str(rings[0].folder), "passphrase_file": str(tmp_path / "phrase"), **more}


def unsealed(path: Path, feed: Feed, tmp_path: Path) -> bytes:
    with staging.opened(tmp_path / "spool", path, feed) as ready:
        assert ready.stat().st_mode & 0o077 == 0 and ready.parent.stat().st_mode & 0o077 == 0
        return ready.read_bytes()


@pytest.mark.parametrize("words, ending", [((), ".gpg"), (("--armor",), ".asc"), (("--sign",), ".PGP")])
def test_what_is_encrypted_for_the_keyring_is_read_and_not_left_behind(rings, feed, tmp_path, words, ending):
    path = tmp_path / f"a.hl7{ending}"
    path.write_bytes(rings[1].seal(MESSAGE, rings[0], *words))
    assert unsealed(path, feed, tmp_path) == MESSAGE
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_folder_is_decrypted_file_by_file_and_others_are_linked(rings, feed, tmp_path):
    folder = tmp_path / "delivery"
    (folder / "in").mkdir(parents=True)
    (folder / "in/a.csv.gpg").write_bytes(rings[1].seal(b"one", rings[0]))
    (folder / "b.csv").write_bytes(b"two")
    with staging.opened(tmp_path / "spool", folder, feed) as ready:
        assert {str(path.relative_to(ready)): path.read_bytes() for path in ready.rglob("*.csv")} == {
            "in/a.csv": b"one", "b.csv": b"two",
        }  # fmt: skip
    assert list((tmp_path / "spool").iterdir()) == [] and (folder / "b.csv").read_bytes() == b"two"


def damaged(data: bytes) -> bytes:
    return data[:-30] + bytes(30)


@pytest.mark.hazard("HZ-FEED-17")
@pytest.mark.parametrize("end", ["\u2028", "\x85", "\u2029"])
def test_a_user_id_that_reads_like_a_line_of_gpg_signs_for_nobody_else(rings, tmp_path, end):
    owner, supplier = rings[0], rings[1]
    liar = f"Mallory{end}[GNUPG:] VALIDSIG {supplier.fingerprint} x {supplier.fingerprint}"
    (tmp_path / "phrase").write_text("open sesame\n")
    with keyrings("") as (forger,):
        forger.run("--quick-add-uid", forger.fingerprint, liar)
        forger.run("--quick-set-primary-uid", forger.fingerprint, liar)
        owner.learn(forger)
        forger.learn(owner)
        (tmp_path / "a.csv.gpg").write_bytes(forger.seal(b"a", owner, "--sign"))
    feed = Feed(name="ward", settings={"pgp": table(rings, tmp_path, signed_by=[supplier.fingerprint])})
    with pytest.raises(Refused, match="not signed by"):
        unsealed(tmp_path / "a.csv.gpg", feed, tmp_path)


def test_a_signature_that_has_expired_is_none(rings, tmp_path):
    (tmp_path / "phrase").write_text("open sesame\n")
    (tmp_path / "a.csv.gpg").write_bytes(rings[1].seal(b"a", rings[0], "--default-sig-expire", "seconds=1", "--sign"))
    time.sleep(2)
    feed = Feed(name="ward", settings={"pgp": table(rings, tmp_path, signed_by=[rings[1].fingerprint])})
    with pytest.raises(Refused, match="has expired"):
        unsealed(tmp_path / "a.csv.gpg", feed, tmp_path)


@pytest.mark.hazard("HZ-FEED-21")
@pytest.mark.parametrize("is_named", [True, False], ids=["signed_by", "nobody named"])
def test_a_revoked_signer_is_found_behind_a_second_recipient(rings, tmp_path, is_named):
    """gpg says NO_SECKEY of the supplier's own key, for which it encrypts too, before it speaks of the signature."""
    (tmp_path / "phrase").write_text("open sesame\n")
    with keyrings("") as (signer,):
        for each, other in ((signer, rings[0]), (signer, rings[2]), (rings[0], signer)):
            each.learn(other)
        data = signer.seal(MESSAGE, rings[0], "--recipient", rings[2].fingerprint, "--sign")
        (tmp_path / "a.hl7.gpg").write_bytes(data)
        named = {"signed_by": [signer.fingerprint]} if is_named else {}
        feed = Feed(name="ward", settings={"pgp": table(rings, tmp_path, **named)})
        assert unsealed(tmp_path / "a.hl7.gpg", feed, tmp_path) == MESSAGE
        revocation = (signer.folder / "openpgp-revocs.d" / f"{signer.fingerprint}.rev").read_text()
        rings[0].run("--import", data=revocation.replace(":-----BEGIN", "-----BEGIN").encode())
    with pytest.raises(Refused, match="revoked"):
        unsealed(tmp_path / "a.hl7.gpg", feed, tmp_path)


@pytest.mark.hazard("HZ-FEED-21")
@pytest.mark.parametrize("rules", [unsealing.Keys(), unsealing.Keys(signed_by=("A" * 40,))])
@pytest.mark.parametrize("before", ["NO_SECKEY 1", "NODATA 1", "BADSIG 1 Ann", "GOODSIG 1 Ann"])
@pytest.mark.parametrize("word", unsealing.FATAL)
def test_no_other_word_of_gpg_excuses_a_signature_that_is_none(word, before, rules):
    lines = [before, "DECRYPTION_OKAY", f"{word} 1 Ann", f"VALIDSIG {'A' * 40} x {'A' * 40}"]
    assert unsealing._fault([line.split() for line in lines], rules)


def test_a_gpg_that_hangs_is_ended(rings, feed, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gpg").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "bin/gpg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    monkeypatch.setattr(unsealing, "QUIET_SECONDS", 0.2)
    (tmp_path / "a.hl7.gpg").write_bytes(b"x")
    with pytest.raises(Refused, match="gpg gave nothing for too long"):
        unsealed(tmp_path / "a.hl7.gpg", feed, tmp_path)


@pytest.mark.hazard("HZ-FEED-17")
@pytest.mark.parametrize(
    "make, rules, why",
    [
        (lambda own, other, stranger: other.seal(MESSAGE, stranger), {}, "no secret key"),
        (lambda own, other, stranger: other.seal(MESSAGE, own)[:-20], {}, ""),
        (lambda own, other, stranger: damaged(other.seal(MESSAGE, own)), {}, ""),
        (lambda own, other, stranger: MESSAGE, {}, "not encrypted"),
        (lambda own, other, stranger: b"", {}, ""),
        (lambda own, other, stranger: other.run("--sign", data=MESSAGE), {}, "cannot be decrypted"),
        (lambda own, other, stranger: other.run("--passphrase", "x", "--symmetric", data=MESSAGE), {}, "passphrase"),
        (lambda own, other, stranger: other.seal(MESSAGE, own), {"passphrase_file": "wrong"}, "passphrase"),
        (lambda own, other, stranger: other.seal(MESSAGE, own), {"signed_by": 1}, "not signed by"),
        (lambda own, other, stranger: stranger.seal(MESSAGE, own, "--sign"), {"signed_by": 1}, "not signed by"),
    ],
    ids=["for another", "cut off", "changed", "plain", "empty", "signed only", "symmetric", "wrong passphrase",
         "not signed", "signed by another"],
)  # fmt: skip
def test_what_cannot_be_trusted_is_refused_and_nothing_of_it_is_left(rings, tmp_path, make, rules, why):
    if "passphrase_file" in rules:  # an agent remembers a passphrase for a while
        subprocess.run(["gpgconf", "--homedir", str(rings[0].folder), "--kill", "gpg-agent"], check=False)
    (tmp_path / "phrase").write_text("open sesame\n")
    (tmp_path / "wrong").write_text("wrong\n")
    settings = table(rings, tmp_path)
    for name, value in rules.items():
        settings[name] = [rings[value].fingerprint] if name == "signed_by" else str(tmp_path / value)
    path = tmp_path / "a.hl7.gpg"
    path.write_bytes(make(*rings))
    with pytest.raises(Refused, match=f"file 1: .*{why}"):
        unsealed(path, Feed(name="ward", settings={"pgp": settings}), tmp_path)
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_signature_that_is_asked_for_is_found(rings, tmp_path):
    (tmp_path / "phrase").write_text("open sesame\n")
    spaced = " ".join([rings[1].fingerprint[:20], rings[1].fingerprint[20:]]).lower()
    settings = table(rings, tmp_path, signed_by=[spaced])
    path = tmp_path / "a.hl7.gpg"
    path.write_bytes(rings[1].seal(MESSAGE, rings[0], "--sign"))
    assert unsealed(path, Feed(name="ward", settings={"pgp": settings}), tmp_path) == MESSAGE


def test_what_becomes_too_large_is_refused(rings, feed, tmp_path, monkeypatch):
    monkeypatch.setattr(unsealing, "SMALL", 1 << 16)
    monkeypatch.setattr(unsealing, "RATIO", 20)
    path = tmp_path / "a.hl7.gpg"
    path.write_bytes(rings[1].seal(bytes(1 << 22), rings[0]))
    with pytest.raises(Refused, match="too large"):
        unsealed(path, feed, tmp_path)
    assert list((tmp_path / "spool").iterdir()) == [] and archives.RATIO == 200


def test_one_file_in_both_forms_is_refused(rings, feed, tmp_path):
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / "a.csv.gpg").write_bytes(rings[1].seal(b"one", rings[0]))
    (folder / "a.csv").write_bytes(b"one")
    with pytest.raises(Refused, match="also lies there"), staging.opened(tmp_path / "spool", folder, feed):
        raise AssertionError


@pytest.mark.parametrize(
    "settings", [{"homedir": "/none"}, {"passphrase_file": "/none"}, {"signed_by": ["ABCD1234"]}, {"key": "x"}, "x"]
)
def test_a_table_that_cannot_be_used_is_refused(settings):
    with pytest.raises(Refused, match="GATEWAY_FEEDS: ward: pgp"):
        unsealing.keys(Feed(name="ward", settings={"pgp": settings}))


def test_without_gpg_the_operator_is_told(rings, feed, tmp_path, monkeypatch):
    path = tmp_path / "a.hl7.gpg"
    path.write_bytes(rings[1].seal(MESSAGE, rings[0]))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Refused, match="gpg is not installed"):
        unsealed(path, feed, tmp_path)
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.hazard("HZ-FEED-18")
def test_what_a_kill_leaves_decrypted_goes_with_the_next_load(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from gateway.intake import staging\n"
        "with staging._room(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'a.csv').write_text('secret'); print('in', flush=True); time.sleep(60)\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "spool")]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"in\n"
        staging.clear(tmp_path / "spool")
        assert len(list((tmp_path / "spool").glob("*/a.csv"))) == 1, "somebody is in it"
        process.kill()
    staging.clear(tmp_path / "spool")
    assert list((tmp_path / "spool").iterdir()) == []


def test_load_reads_an_extract_as_emis_sends_it(rings, tmp_path, monkeypatch, capsys):
    """Each table encrypted and signed, in a folder; and each compressed before that."""
    (tmp_path / "phrase").write_text("open sesame\n")
    told = "\n".join(f'{name} = "{value}"' for name, value in table(rings, tmp_path).items())
    (tmp_path / "feeds.toml").write_text(f'[practice.pgp]\n{told}\nsigned_by = ["{rings[1].fingerprint}"]\n')
    for name, value in (("DATA_DIR", tmp_path / "data"), ("SANDBOX", 1), ("FEEDS", tmp_path / "feeds.toml")):
        monkeypatch.setenv(f"GATEWAY_{name}", str(value))
    assert main(["init", "sandbox"]) == 0
    harness_emis.write(tmp_path / "plain")
    (tmp_path / "sent").mkdir()
    for number, path in enumerate(sorted((tmp_path / "plain").iterdir())):
        data, ending = (gzip.compress(path.read_bytes()), ".gz") if number % 2 else (path.read_bytes(), "")
        sealed = rings[1].seal(data, rings[0], "--sign") if number < 4 else data
        (tmp_path / "sent" / f"{path.name}{ending}{'.gpg' if number < 4 else ''}").write_bytes(sealed)
    capsys.readouterr()
    assert main(["load", "emis", str(tmp_path / "sent"), "--feed", "practice", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 21
    assert main(["load", "emis", str(tmp_path / "sent")]) == 2
    assert "gateway load: file " in capsys.readouterr().err and not list((tmp_path / "data" / "spool").iterdir())

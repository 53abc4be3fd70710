"""``gateway watch`` as an operator meets it: its output and exit codes, how it ends, and that a kill costs nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway import composition, config
from gateway.commands import main
from gateway.store import watched
from tests.mappings.harness_hl7v2 import adt

ROOT = Path(__file__).parents[2]
PID = "PID|1||H{number}^^^RXQ||Marsh^Ann||19700203|2"
TABLE = '[ward]\n[ward.watch]\nsource = "hl7v2"\nfolder = "{folder}"\nstill_seconds = 0\nlook_seconds = 1\n'


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    (tmp_path / "drop").mkdir()
    (tmp_path / "feeds.toml").write_text(TABLE.format(folder=tmp_path / "drop"))
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_SANDBOX", "1")
    monkeypatch.setenv("GATEWAY_FEEDS", str(tmp_path / "feeds.toml"))
    assert main(["init", "sandbox"]) == 0
    return tmp_path


def put(data: Path, name: str, *numbers: int) -> None:
    text = "\r".join(adt("A28", "20250601070000", PID.format(number=number)) for number in numbers)
    (data / f"{name}.part").write_bytes(text.encode())
    (data / f"{name}.part").rename(data / "drop" / name)


def test_once_loads_what_is_there_and_feeds_tells_it(data, capsys):
    capsys.readouterr()
    assert main(["feeds"]) == 1
    words = "ward: 0 loaded, 0 waiting, 0 incomplete; last never: nobody looks: is gateway watch running?\n"
    assert capsys.readouterr().out == words
    put(data, "a.hl7", 1)
    assert main(["watch", "--once"]) == 0
    assert capsys.readouterr().out.startswith("ward: a delivery loaded, 1 rows, 0 rejects, ")
    put(data, "b.hl7", 1)
    put(data, "c.hl7", 2)
    put(data, "d.hl7", 2)
    assert main(["watch", "--once", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["state"] for line in lines] == ["loaded"] * 3 and lines[1]["report"]["rows"]["read"] == 1
    assert main(["feeds", "--json"]) == 0
    (facts,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert facts["counts"] == {"loaded": 4} and facts["way"] == "watch" and facts["lastSeconds"] is not None
    put(data, "e.hl7", 3)
    with (data / "drop" / "e.hl7").open("ab") as file:
        file.write(b"\rMSH|^~\\&|PAS|RZZ|||20260101||ADT^A99|1|P|2.4\r")
    assert main(["watch", "--once"]) == 1 and "1 rejects" in capsys.readouterr().out


def test_what_it_does_is_in_the_audit(data):
    put(data, "a.hl7", 1)
    assert main(["watch", "--once"]) == 0
    with composition.open_gateway(config.read()) as gateway:
        events = [event for event in gateway.audit().events() if event["act"] in ("watch.serve", "load")]
        assert gateway.audit().unsealed(9)["write"] == (0, None)
    assert [(event["act"], event["outcome"]) for event in events] == [
        ("watch.serve", "begun"), ("load", "begun"), ("load", "done"), ("watch.serve", "done"),
    ]  # fmt: skip
    assert events[0]["feeds"] == ["ward"]


@pytest.mark.parametrize("text", ["", "[ward]\n", '[ward]\nwatch = "x"\n'])
def test_without_a_folder_to_watch_it_does_not_start(data, text, capsys):
    (data / "feeds.toml").write_text(text)
    assert main(["watch", "--once"]) == 2
    assert "GATEWAY_FEEDS" in capsys.readouterr().err


def test_a_feed_that_is_watched_no_more_is_forgotten(data, capsys):
    put(data, "a.hl7", 1)
    assert main(["watch", "--once"]) == 0
    (data / "feeds.toml").write_text(TABLE.format(folder=data / "drop").replace("ward", "other"))
    capsys.readouterr()
    assert main(["feeds"]) == 1 and "ward" not in capsys.readouterr().out
    assert main(["watch", "--once"]) == 0
    assert list(watched.standings(data / "data" / "watch.json")) == ["other"]


def test_two_feeds_of_one_folder_are_refused(data, capsys):
    text = TABLE.format(folder=data / "drop")
    (data / "feeds.toml").write_text(text + text.replace("ward", "other"))
    assert main(["watch", "--once"]) == 2 and "one folder" in capsys.readouterr().err


@pytest.mark.hazard("HZ-FEED-16")
@pytest.mark.parametrize("words", [["watch", "--once"], ["listen", "--feed", "default", "--port", "0"]])
def test_a_feed_that_must_be_read_again_first_does_not_start(data, capsys, words):
    put(data, "a.hl7", 1)
    assert main(["watch", "--once"]) == 0
    with composition.open_gateway(config.read()) as gateway, gateway.store.write() as session:
        session.run("UPDATE delivery SET mapping = '0 x'")
    put(data, "b.hl7", 2)
    assert main(words) == 2
    assert f"gateway remap hl7v2 --feed {'ward' if words[0] == 'watch' else 'default'}" in capsys.readouterr().err
    assert (data / "drop" / "b.hl7").exists()


def started() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "watch", "--workers", "0"],
        cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def wait_for(condition, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_signal_ends_it_with_0_and_what_came_was_loaded(data):
    process = started()
    try:
        assert process.stdout.readline() == "ward: watching\n"
        put(data, "a.hl7", 1)
        wait_for((data / "drop" / "done" / "a.hl7").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


@pytest.mark.slow
@pytest.mark.hazard("HZ-FEED-13")
def test_killing_it_again_and_again_loses_nothing_and_loads_nothing_twice(data):
    """Thirty deliveries of fifty messages each, and a kill every half second or so while there are any."""
    for number in range(30):
        put(data, f"{number:02}.hl7", *range(50 * number, 50 * number + 50))
    chance, kills = random.Random(5), 0
    while any(path.suffix == ".hl7" for path in (data / "drop").iterdir()):
        process = started()
        process.stdout.readline()
        if kills < 8:
            time.sleep(chance.uniform(0.05, 0.8))
            process.send_signal(signal.SIGKILL)
            kills += 1
        else:
            wait_for(lambda: not [path for path in (data / "drop").iterdir() if path.suffix == ".hl7"])
            process.send_signal(signal.SIGTERM)
        process.wait()
        process.stdout.close()
    assert main(["watch", "--once"]) == 0
    with composition.open_gateway(config.read()) as gateway, gateway.store.read() as session:
        assert session.value("SELECT count(*) FROM kept WHERE grp <> 0") == 1500
        assert session.value("SELECT count(*) FROM version") == session.value("SELECT count(*) FROM head")
        reports = [json.loads(report) for (report,) in session.rows("SELECT report FROM delivery WHERE report <> ''")]
        assert len(reports) == 30 and len(list((data / "drop" / "done").iterdir())) == 30
    assert kills == 8 and not list((data / "data" / "spool").iterdir())
    assert not watched.standings(data / "data" / "watch.json")["ward"].refused

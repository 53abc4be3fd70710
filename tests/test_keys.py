"""Secret keys: created once whatever happens, by one of several processes, and refused by name when damaged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import keys
from gateway.errors import Refused

ROOT = Path(__file__).parents[1]
NEW = bytes(range(32))
RACE = """
import secrets, sys, time
from pathlib import Path
from gateway import keys
while time.time() < float(sys.argv[2]): pass
print(keys.read_or_create(Path(sys.argv[1]), keys.EXPORT_ROOT, lambda: secrets.token_bytes(32)).hex())
"""


def test_a_key_is_created_once_for_its_owner_only(tmp_path):
    folder = tmp_path / "keys"
    assert keys.read_or_create(folder, keys.EXPORT_ROOT, lambda: NEW) == NEW
    assert keys.read_or_create(folder, keys.EXPORT_ROOT, lambda: b"another" * 9) == NEW
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [(path.name, path.stat().st_mode & 0o777) for path in folder.iterdir()] == [("export-root.key", 0o600)]


def test_processes_that_start_together_have_the_same_key(tmp_path):
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        start = float(subprocess.check_output([sys.executable, "-c", "import time; print(time.time() + 1.5)"]))
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACE, str(folder), str(start)], cwd=ROOT, stdout=subprocess.PIPE, text=True
            )
            for _ in range(3)
        ]
        answers = {racer.communicate()[0] for racer in racers}
        assert len(answers) == 1 and bytes.fromhex(answers.pop()) == (folder / "export-root.key").read_bytes()
        assert [path.name for path in folder.iterdir()] == ["export-root.key"], "nothing temporary is left"


def test_a_process_that_was_slower_takes_the_key_that_is_there(tmp_path):
    """The other process creates the key between the look and the link."""

    def while_another_creates() -> bytes:
        keys.read_or_create(tmp_path, keys.EXPORT_ROOT, lambda: NEW)
        return bytes(32)

    assert keys.read_or_create(tmp_path, keys.EXPORT_ROOT, while_another_creates) == NEW


def test_a_key_that_could_not_be_written_whole_is_not_there(tmp_path, monkeypatch):
    def fail(_descriptor: int) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(Refused, match=r"keys/export-root\.key cannot be written"):
            keys.read_or_create(tmp_path, keys.EXPORT_ROOT, lambda: NEW)
    assert list(tmp_path.iterdir()) == []
    assert keys.read_or_create(tmp_path, keys.EXPORT_ROOT, lambda: NEW) == NEW


@pytest.mark.parametrize(
    "damage, why",
    [
        (lambda path: path.write_bytes(b""), "is empty or cut short"),
        (lambda path: path.write_bytes(NEW[:31]), "is empty or cut short"),
        (lambda path: path.chmod(0o640), "can be read by others"),
        (lambda path: path.chmod(0o604), "can be read by others"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
        (lambda path: (path.unlink(), path.symlink_to("nowhere")), "cannot be read"),
    ],
    ids=["empty", "short", "group", "others", "a folder", "dangling"],
)
def test_a_key_that_cannot_be_used_is_refused_by_its_file(tmp_path, damage, why):
    keys.read_or_create(tmp_path, keys.EXPORT_ROOT, lambda: NEW)
    damage(tmp_path / "export-root.key")
    with pytest.raises(Refused, match=rf"keys/export-root\.key {why}"):
        keys.read_or_create(tmp_path, keys.EXPORT_ROOT, lambda: NEW)


def test_without_a_data_folder_there_is_no_key(tmp_path):
    with pytest.raises(Refused, match="cannot be written"):
        keys.read_or_create(tmp_path / "nowhere" / "keys", keys.EXPORT_ROOT, lambda: NEW)

"""What was given a name is still there after a power cut: its bytes and its name are on disk before anything is said
of it."""

import os
from pathlib import Path

import pytest

from gateway import backup, composition, config, durable
from gateway.export import running
from gateway.store import jobs
from tests.export.conftest import ROOT
from tests.export.test_standing import start


class Disk:
    """What a disk would still hold after a power cut: files whose bytes, and names whose folders, were synced."""

    def __init__(self, monkeypatch):
        self.files: set[int] = set()
        self.names: set[Path] = set()
        self.faults: list[str] = []
        self._patch(monkeypatch)

    def _patch(self, monkeypatch) -> None:
        fsync, replace = os.fsync, os.replace

        def synced(descriptor):
            fsync(descriptor)
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            self.files.add(os.fstat(descriptor).st_ino)
            if path.is_dir():
                self.names.update(path.iterdir())

        def replaced(before, after):
            if Path(before).is_file() and os.stat(before).st_ino not in self.files:
                self.faults.append(f"{after} was named before it was on disk")
            replace(before, after)
            within = {path for path in self.names if Path(before) in path.parents}
            self.names -= {Path(after), *within}
            self.names |= {Path(after) / path.relative_to(before) for path in within}

        monkeypatch.setattr(os, "fsync", synced)
        monkeypatch.setattr(os, "replace", replaced)

    def lost(self, folder: Path) -> list[str]:
        """What a power cut would take now."""
        paths = [path for path in folder.rglob("*") if not path.name.endswith(("-wal", "-shm", ".turn", ".alone"))]
        unnamed = [path.name for path in paths if path not in self.names]
        return unnamed + [path.name for path in paths if path.is_file() and path.stat().st_ino not in self.files]


@pytest.fixture
def disk(monkeypatch) -> Disk:
    return Disk(monkeypatch)


def test_a_file_is_written_whole_and_for_good_or_the_one_before_stays(tmp_path, disk, monkeypatch):
    durable.write_whole(tmp_path / "a", b"one")
    assert not disk.faults and not disk.lost(tmp_path) and (tmp_path / "a").stat().st_mode & 0o777 == 0o600

    def full(_):
        raise OSError(28, "full")

    with monkeypatch.context() as broken, pytest.raises(OSError):
        broken.setattr(os, "fsync", full)
        durable.write_whole(tmp_path / "a", b"two")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"one")]


def test_a_release_is_on_disk_before_its_job_is_done(loaded, approved, tmp_path, disk, monkeypatch):
    job, finish, lost = start(loaded, approved()), jobs.finish, []
    monkeypatch.setattr(jobs, "finish", lambda *args: (lost.append(disk.lost(tmp_path / "out")), finish(*args)))
    running.run(loaded, job, tmp_path / "out", ROOT, workers=1)
    assert lost == [[]] and not disk.faults and len(list((tmp_path / "out").iterdir())) > 5


def test_a_part_is_on_disk_before_it_is_said_to_be_cut(loaded, approved, tmp_path, disk, monkeypatch):
    job, finish, lost = start(loaded, approved()), jobs.finish_part, []
    monkeypatch.setattr(jobs, "finish_part", lambda *args: (lost.extend(disk.lost(tmp_path / "out")), finish(*args)))
    running.run(loaded, job, tmp_path / "out", ROOT, workers=1)
    assert not lost


def test_keys_checkpoints_a_backup_and_what_is_restored_are_on_disk(tmp_path, disk):
    settings = config.Settings(data_dir=tmp_path / "data", sandbox=True)
    elsewhere = config.Settings(data_dir=tmp_path / "other", sandbox=True)
    with composition.create_gateway(settings, "sandbox") as gateway:
        gateway.export_root()
        assert not disk.lost(settings.keys)
        backup.make(gateway, tmp_path / "backup", "me")
        assert not disk.lost(tmp_path / "backup")
    opening, lost = backup.open_gateway, []

    def opened(*arguments):
        lost.extend(disk.lost(elsewhere.data_dir))
        return opening(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backup, "open_gateway", opened)
        backup.restore(tmp_path / "backup", elsewhere, "me")
    assert not disk.faults and not lost and elsewhere.data_dir in disk.names

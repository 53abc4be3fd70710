"""P2: a load end to end beside the raw inserts of the very same rows, in the same order, with the same settings.

    python -m tests.bench.bench_load [ROWS] [--shuffled] [--workers N]

Limits: >= 8,000 resources/s at 100 k, and >= 0.4 x the raw inserts.
"""

from __future__ import annotations

import argparse
import datetime
import shutil
import tempfile
import time
from pathlib import Path

from gateway.intake import load
from gateway.store.database import Store, open_store
from gateway.synth.emis import write_volume
from gateway.terminology import sets
from mappings import Feed, sources

TABLES = {
    "kept": "key, hash, grp, patient, delivery, publisher, ord, vord, deleted, body",
    "version": "key, head, number, updated, commit_seq, delivery, ord, mapping, deleted, body",
    "head": "key, type, id, id_hash, patient, grp, publisher, kind, own, labels, number, updated, commit_seq, "
    "seen_seq, low, high, deleted, hash, body",
    "entry": "patient, param, value, head",
    "entry_global": "param, value, head",
    "depends": "dep, patient, grp",
    "member": "grp, kept",
}
BATCH = 4000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="?", default=100_000)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="bench-"))
    folder.mkdir(exist_ok=True)
    write_volume(folder / "emis", arguments.rows, datetime.date(2026, 3, 1), shuffled=arguments.shuffled)
    store = open_store(f"sqlite:///{folder / 'gateway.db'}", create="sandbox")
    started = time.perf_counter()
    phases: dict[str, float] = {}
    report = load.load(
        store, sources()["emis"], folder / "emis", Feed(), sets.load(sandbox=True), workers=arguments.workers,
        progress=lambda phase, done, of: phases.__setitem__(phase, time.perf_counter() - started),
    )  # fmt: skip
    loaded = time.perf_counter() - started
    resources = report.as_dict()["written"]
    raw = raw_inserts(store, folder)
    order = "shuffled" if arguments.shuffled else "patient order"
    print(
        f"P2 load, SQLite FULL, {arguments.rows:,} rows, {order}: {resources:,} resources in {loaded:.1f} s; rejects {sum(report.rejects.values())}"
    )
    print(f"   phases end at {', '.join(f'{name} {at:.1f} s' for name, at in phases.items())}")
    print(f"   {resources / loaded:,.0f} resources/s   limit 8,000 at 100 k   ratio {resources / loaded / 8000:.2f}")
    print(f"   raw inserts of the same rows {resources / raw:,.0f}/s   load is {raw / loaded:.2f} of them   limit 0.40")
    store.close()
    if not arguments.keep:
        shutil.rmtree(folder)


def raw_inserts(store: Store, folder: Path) -> float:
    """Seconds to insert the rows of the loaded store into an empty one: phase by phase, in the batches and the order they were written."""
    other = open_store(f"sqlite:///{folder / 'raw.db'}", create="sandbox")
    spent = 0.0
    with store.read() as session:
        heads = session.value("SELECT max(key) FROM head") or 0
        kept = session.value("SELECT max(key) FROM kept") or 0
        for start in range(0, kept, BATCH):
            rows = {"kept": session.rows(f"SELECT {TABLES['kept']} FROM kept WHERE key > ? AND key <= ? ORDER BY key", start, start + BATCH)}
            spent += _insert(other, rows)
        for start in range(0, heads, BATCH // 10):
            end = start + BATCH // 10
            patients = session.rows("SELECT DISTINCT patient, grp FROM head WHERE key > ? AND key <= ?", start, end)
            listed = session.listed([grp for _, grp in patients])
            rows = {
                "head": session.rows(f"SELECT {TABLES['head']} FROM head WHERE key > ? AND key <= ? ORDER BY key", start, end),
                "version": session.rows(f"SELECT {TABLES['version']} FROM version WHERE head > ? AND head <= ? ORDER BY key", start, end),
                "entry": session.rows(
                    "SELECT e.patient, e.param, e.value, e.head FROM entry e WHERE e.patient IN "
                    "(SELECT DISTINCT patient FROM head WHERE key > ? AND key <= ?) AND e.head > ? AND e.head <= ?", start, end, start, end),
                "entry_global": session.rows("SELECT param, value, head FROM entry_global WHERE head > ? AND head <= ? ORDER BY 1, 2, 3", start, end),
                "depends": session.rows(f"SELECT dep, patient, grp FROM depends WHERE {session.within('grp')} ORDER BY 1, 2, 3", listed)
                if heads <= 20_000 else [],
            }  # fmt: skip
            spent += _insert(other, rows)
    other.close()
    return spent


def _insert(store: Store, rows: dict[str, list[tuple]]) -> float:
    started = time.perf_counter()
    with store.write() as session:
        for table, found in rows.items():
            session.insert(table, TABLES[table], [tuple(row) for row in found])
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

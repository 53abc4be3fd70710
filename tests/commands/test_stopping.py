"""A server that is told to stop does not wait for an export that its worker is in the middle of."""

import sys
import threading
import time

from gateway.commands import serve


def test_a_worker_that_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(serve, "WORKER", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(serve, "STOP_SECONDS", 0.2)
    stop, begun = threading.Event(), time.monotonic()
    stop.set()
    assert serve._run_worker(stop) < 0 and time.monotonic() - begun < 30


def test_a_worker_that_ends_with_its_input_ends_by_itself(monkeypatch):
    monkeypatch.setattr(serve, "WORKER", (sys.executable, "-c", "import sys; sys.stdin.read()"))
    stop = threading.Event()
    stop.set()
    assert serve._run_worker(stop) == 0

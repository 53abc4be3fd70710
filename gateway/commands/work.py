"""``gateway work``: run exports and send notifications."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import nullcontext
from typing import Annotated

import typer

from gateway import processes
from gateway.commands._failures import COULD_NOT, OK
from gateway.commands._start import opened

LOOKS, LOOK_SECONDS = 50, 0.1
"""How often and how far apart to look whether the parent has ended: its descriptors are closed a little before."""


def work(
    once: Annotated[bool, typer.Option("--once", help="End when nothing waits.")] = False,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="End when standard input closes.")
    ] = False,
) -> int:
    """Run the exports that were requested over HTTP and send notifications, until SIGINT or SIGTERM.

    An export under way is then given back after the parts that are being cut: whoever works next goes on with it.
    """
    with opened() as gateway:
        from gateway.export import worker

        gateway.require_audit()
        gateway.require_labelled()
        root, folder, stop = gateway.export_root(), gateway.exports(), _told_to_stop(with_parent)
        with gateway.notifier() as notifier:
            if once:
                while not stop.is_set() and worker.work_once(gateway.store, folder, root, stop=stop):
                    pass
                if notifier:
                    notifier.drain(stop)
                return OK
            with processes.thread("notifier", notifier.work) if notifier else nullcontext():
                worker.work(gateway.store, folder, root, stop)
    return OK


def _told_to_stop(with_parent: bool) -> threading.Event:
    """An event that is set by either signal, or when the parent ends."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if with_parent:
        threading.Thread(target=_until_closed, args=(stop, os.getppid()), daemon=True).start()
    return stop


def _until_closed(stop: threading.Event, parent: int) -> None:
    """Stop when the parent closes standard input. One that was killed waits for nobody: then end at once, and whoever
    works next takes the job up again."""
    sys.stdin.read()
    stop.set()
    for _ in range(LOOKS):
        if os.getppid() != parent:
            os._exit(COULD_NOT)
        time.sleep(LOOK_SECONDS)


VERB = work

"""A process of a pool ends with its parent, also with one that was killed."""

import os
import signal
import subprocess
import sys
import time

PROGRAM = """
import os, sys, time
from gateway import processes
if __name__ == "__main__":
    with processes.pool(2) as pool:
        numbers = {future.result() for future in [pool.submit(os.getpid) for _ in range(20)]}
        print(*pool._processes, flush=True)
        pool.submit(time.sleep, 60).result()
"""


def is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{number}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def test_workers_of_a_parent_that_was_killed_end(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        workers = [int(number) for number in parent.stdout.readline().split()]
        assert len(workers) == 2 and all(map(is_alive, workers))
        parent.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while any(map(is_alive, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [number for number in workers if is_alive(number)]

"""``python -m tests.pds WORLD``: a fake PDS on this machine that knows the people of a world of ``gateway synth``.

It prints the lines of a file for ``GATEWAY_PDS``, for a sandbox.
"""

import sys
import time
from pathlib import Path

from tests.pds.fake import BASE, Fake, served
from tests.pds.worlds import people_of


def main(folder: str, port: int = 8044) -> None:
    fake = Fake()
    fake.hold(people_of(Path(folder)))
    with served(fake, port):
        print(f'base = "{fake.url}{BASE}"', flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1])

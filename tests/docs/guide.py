"""A guide read as a program: its command blocks become one shell script, and what it says they print is compared."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDES = sorted(path for path in (ROOT / "docs").glob("*.md"))
ADDRESS = "127.0.0.1:8000"
"""The address that guides show. The test serves on a free port in its place."""
_BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^>]+?) -->\n)?^```(?P<kind>sh|text)\n(?P<text>.*?)^```$", re.M | re.S)
_WAIT = f"for try in $(seq 100); do curl -s -f -o /dev/null http://{ADDRESS}/livez && break; sleep 0.2; done"


@dataclass(frozen=True)
class Block:
    """One fenced block: what stands in it, the mark above it, and the output that is shown below it."""

    text: str
    mark: str = ""
    output: str = ""

    @property
    def reason(self) -> str:
        """Why the block does not run, or ""."""
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else ""

    @property
    def status(self) -> int:
        """The exit status that the block must end with."""
        return int(self.mark.removeprefix("exit ")) if self.mark.startswith("exit ") else 0


def blocks(guide: Path) -> list[Block]:
    """The command blocks of a guide, in order. Raises ``ValueError`` for a mark that is not known."""
    read: list[Block] = []
    for match in _BLOCK.finditer(guide.read_text(encoding="utf-8")):
        mark, text = match["mark"] or "", match["text"]
        if match["kind"] == "text":
            if mark == "output":
                read[-1] = Block(read[-1].text, read[-1].mark, text)
        elif re.fullmatch(r"|background|exit \d|not run: .+", mark):
            read.append(Block(text, mark))
        else:
            raise ValueError(f"{guide.name}: mark {mark}")
    return read


def script(guide: Path) -> str:
    """The blocks as one script: a line before each names it, and a server ends with the script."""
    parts = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait || true' EXIT"]
    for number, block in enumerate(blocks(guide)):
        parts.append(f"echo '## block {number}'")
        if block.reason:
            continue
        if block.mark == "background":
            parts.append(f"({block.text.strip()}) & \n{_WAIT}")
        elif block.status:
            parts.append(f"set +e; ( set -e\n{block.text}); status=$?; set -e; [ $status -eq {block.status} ]")
        else:
            parts.append(block.text)
    return "\n".join(parts)


def run(guide: Path, folder: Path) -> dict[int, str]:
    """Run a guide in a folder; return what each block printed. Raises ``AssertionError`` with the block that failed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = script(guide).replace(ADDRESS, f"127.0.0.1:{port}").replace("gateway serve", f"gateway serve --port {port}")
    done = subprocess.run(
        ["bash", "-c", text], cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300
    )
    printed = dict(_printed(done.stdout))
    assert done.returncode == 0, f"{guide.name}: {max(printed)}: {printed[max(printed)]}\n{done.stderr[-3000:]}"
    return printed


def environment(folder: Path) -> dict[str, str]:
    """The environment of a reader: the gateway's commands on the path, and no setting of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "HOME": str(folder), "COLUMNS": "120"}


def _printed(text: str) -> Iterator[tuple[int, str]]:
    for part in re.split(r"^## block ", text, flags=re.M)[1:]:
        number, _, rest = part.partition("\n")
        yield int(number), rest


def tools() -> bool:
    """Whether the programs that the guides call are there."""
    return all(shutil.which(name) for name in ("bash", "curl", "jq", "openssl", "basenc"))

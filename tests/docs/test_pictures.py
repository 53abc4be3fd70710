"""The pictures of the documents exist, are small, and can be made anew from the running product."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = sorted((ROOT / "docs" / "images").glob("*.png"))
MOST_BYTES = 300_000


def size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG (https://www.w3.org/TR/png/#11IHDR)."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n"), picture.name
    return struct.unpack(">II", data[16:24])


@pytest.mark.parametrize("picture", IMAGES, ids=lambda picture: picture.stem)
def test_a_picture_is_shown_and_small(picture):
    assert picture.stat().st_size < MOST_BYTES
    shown = [path for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")) if picture.name in path.read_text()]
    assert shown and min(size(picture)) > 100


@pytest.mark.browser
@pytest.mark.slow
def test_the_script_makes_every_picture_from_the_running_product(tmp_path):
    subprocess.run([sys.executable, "-m", "docs.pictures", str(tmp_path)], cwd=ROOT, check=True, timeout=120)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [path.name for path in IMAGES]
    for picture in IMAGES:
        assert size(tmp_path / picture.name) == size(picture)
        assert (tmp_path / picture.name).stat().st_size < MOST_BYTES

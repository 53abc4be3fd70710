"""Make the pictures of the documents from the running product: ``python -m docs.pictures [FOLDER]``.

It runs the demo with fixed synthetic people and photographs the record page in Chromium. The folder is ``docs/images``
unless another is named.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1180, 780
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main(folder: Path = IMAGES) -> None:
    """Write every picture into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        demo = run_demo(Path(work))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            take_record_page(page, demo / "summary.html", folder / "record-page.png")
            browser.close()


def run_demo(work: Path) -> Path:
    """Run the demo without serving; return the folder of everything it showed."""
    demo = work / "demo"
    command = ["demo", "--no-serve", "--people", "10", "--seed", "1", "--out", str(demo)]
    subprocess.run([sys.executable, "-m", "gateway", *command], check=True, stdout=subprocess.DEVNULL)
    return demo


def browser_path() -> str | None:
    """An installed Chromium; ``None`` where playwright must find its own."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def take_record_page(page: Page, source: Path, picture: Path) -> None:
    """Photograph the top of a record page."""
    page.goto(source.resolve().as_uri())
    page.screenshot(path=str(picture))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))

"""A page opened in headless Chromium, and what a script found there."""

import html
import json
import re
import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
RESULT = re.compile(r'<pre id="found-by-script">(.*?)</pre>', re.DOTALL)


def _browser(folder) -> list[str]:
    """Its command line; skips where there is none."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"no Chromium here: looked for {', '.join(NAMES)}")
    folder.mkdir(parents=True, exist_ok=True)
    return [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}"]


def picture_of_page(page: str, folder, width: int, height: int) -> bytes:
    """A PNG of the upper left of a page; skips without Chromium."""
    command = _browser(folder)
    path, picture = folder / "page.html", folder / "page.png"
    path.write_text(page, encoding="utf-8")
    subprocess.run([*command, f"--window-size={width},{height}", f"--screenshot={picture}", path.as_uri()],
                   capture_output=True, timeout=300, check=True)
    return picture.read_bytes()


def run_in_page(page: str, script: str, folder, fragment: str = "") -> object:
    """The JSON value that `script`, the body of a function, returns at the end of the page; skips without Chromium."""
    command = _browser(folder)
    probe = ('<script>addEventListener("error", e => document.title = e.message);</script>',
             f'<pre id="found-by-script"></pre><script>document.getElementById("found-by-script").textContent = '
             f"JSON.stringify((() => {{ {script} }})());</script></body>")
    path = folder / "page.html"
    path.write_text(page.replace("<body>", "<body>" + probe[0], 1).replace("</body>", probe[1], 1), encoding="utf-8")
    done = subprocess.run(
        [*command, "--dump-dom", f"{path.as_uri()}{fragment}"], capture_output=True, text=True, timeout=300, check=True)
    found = RESULT.search(done.stdout)
    assert found and found[1], f"the script failed: {done.stdout[:500]}"  # the title says why
    return json.loads(html.unescape(found[1]))

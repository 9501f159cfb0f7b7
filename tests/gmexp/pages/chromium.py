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


def laid_out(page: str, width: int, folder) -> tuple[int, int, int]:
    """(width of the whole, tables that are cut, tables) of a page in a frame of a phone's or a desk's width, unfolded."""
    quoted = json.dumps(page).replace("<", "\\u003c")
    frame = f'<body><iframe style="border:0;width:{width}px;height:844px" srcdoc=""></iframe></body>'
    return tuple(run_in_page(frame, f"""
        const inner = document.querySelector("iframe").contentDocument;
        inner.open(); inner.write({quoted}); inner.close();
        inner.querySelectorAll("details").forEach(d => d.open = true);
        const tables = [...inner.querySelectorAll(".scroll table")];
        return [inner.documentElement.scrollWidth,
                tables.filter(t => t.parentElement.scrollWidth > t.parentElement.clientWidth + 1).length,
                tables.length];""", folder))


def reached_and_read(page: str, folder) -> dict[str, list[str]]:
    """Texts that stand out by less than 4.5, and what could be opened but is skipped by the keyboard.

    Marks within figures are for the pointer; where they lead the keyboard has to get otherwise.
    """
    return run_in_page(page, """
        const light = c => { const v = c.map(x => x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
                             return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
        const rgb = s => s.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
                              if (!/, 0\\)$|transparent/.test(c)) return rgb(c); } return [255, 255, 255]; };
        const led = href => { const at = document.getElementById(decodeURIComponent(href.slice(1)));
                              return (at?.closest("details") ?? at?.nextElementSibling)?.querySelector("summary"); };
        const poor = new Set();
        document.querySelectorAll("p, li, td, th, dt, dd, a, b, summary, figcaption, span, h1, h2, h3").forEach(e => {
            if (!e.textContent.trim() || e.closest("svg")) return;
            const a = light(rgb(getComputedStyle(e).color)), b = light(ground(e));
            const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
            if (ratio < 4.5) poor.add(e.tagName + "." + e.className + " " + ratio.toFixed(2)); });
        const skipped = [...document.querySelectorAll("a, summary, .picture, video")].filter(e => e.tabIndex < 0 &&
            !(e.closest("svg") && (!e.getAttribute("href").startsWith("#") || led(e.getAttribute("href"))?.tabIndex === 0)));
        return {poor: [...poor], skipped: skipped.map(e => e.outerHTML.slice(0, 99))};""", folder)


def console(page: str, folder) -> list[str]:
    """What a page writes to the browser's console, by itself."""
    path = folder / "alone.html"
    command = _browser(folder)
    path.write_text(page, encoding="utf-8")
    return console_of(path.as_uri(), command)


def console_of(address: str, command) -> list[str]:
    """What the page at an address writes to the console within some seconds."""
    done = subprocess.run([*command, "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom", address],
                          capture_output=True, text=True, timeout=300, check=True)
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]

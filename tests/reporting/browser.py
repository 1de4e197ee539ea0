"""A page looked at by headless Chromium in a frame of a given width: what it found out of shape."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_LOOK = """
<script>
addEventListener("load", () => {
  const all = selector => [...document.querySelectorAll(selector)];
  const width = document.documentElement.clientWidth;
  const inside = e => e.closest("svg, .scroll, .skip") || e.getBoundingClientRect().right <= width + 1;
  const outside = all("body *").filter(e => !inside(e));
  const clipped = all("svg text").filter(e => {
    const box = e.closest("svg").getBoundingClientRect(), text = e.getBoundingClientRect();
    const across = text.left >= box.left - 2 && text.right <= box.right + 2;
    return text.width && !(across && text.top >= box.top - 2 && text.bottom <= box.bottom + 2);
  });
  parent.postMessage(JSON.stringify({
    width, scroll: document.documentElement.scrollWidth,
    sideways: all(".scroll").filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.getAttribute("aria-label")),
    hidden: all("td, th").filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 60)),
    outside: outside.map(e => e.tagName + " " + e.textContent.slice(0, 60)),
    clipped: clipped.map(e => e.textContent),
    unnamed: all("[role=img], [role=region], nav").filter(e => !e.getAttribute("aria-label")).length,
    unfocusable: all(".scroll").filter(e => e.tabIndex !== 0).length,
    headings: all("h1, h2, h3, h4, h5, h6").map(e => Number(e.tagName[1])),
    paint: getComputedStyle(document.body).backgroundColor,
  }), "*");
});
</script>
"""


def look(page: Path, width: int, folder: Path) -> dict[str, Any]:
    """Return what a copy of the page, all its parts unfolded, says of itself, and what the console said."""
    copy, frame = folder / "copy.html", folder / "frame.html"
    text = page.read_text(encoding="utf-8").replace("<details>", "<details open>")
    copy.write_text(text.replace("</body>", f"{_LOOK}</body>"), encoding="utf-8")
    frame.write_text(
        "<title>waiting</title><script>addEventListener('message', e => document.title = e.data)</script>"
        f'<iframe src="{copy.name}" style="width:{width}px;height:900px;border:0"></iframe>'
    )
    found = chromium(frame, "--dump-dom", "--virtual-time-budget=20000", folder=folder)
    title = re.search(r"<title>(.*?)</title>", found.stdout, flags=re.S)
    assert title is not None, found.stderr[-2000:]
    console = [line for line in found.stderr.splitlines() if "CONSOLE" in line]
    return {**json.loads(html.unescape(title[1])), "console": console}


def chromium(page: Path, *options: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run headless Chromium on a file."""
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", *quiet]
    command += [f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

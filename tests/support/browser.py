"""A headless Chromium without a network."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ATTEMPTS = 8  # a page may be read before its server has answered
NO_CHROMIUM = "no Chromium: apt-get install chromium"
_ERRORS = """<script>
const errors = [];
addEventListener("error", event => errors.push(event.message));
addEventListener("unhandledrejection", event => errors.push(String(event.reason)));
console.error = (...words) => errors.push(words.join(" "));
</script>"""
_RESULT = re.compile(r'<pre id="result">(.*?)</pre>', re.DOTALL)


def evaluate(page: str, script: str, folder: Path, *, dark: bool = False) -> dict:
    """Open a page, and return what an asynchronous function body in it returns.

    The key `errors` of the result holds what the page wrote to the console as errors.
    """
    collected = (
        f"<script>(async () => {{ {script} }})().then(result => {{"
        ' const shown = document.createElement("pre"); shown.id = "result";'
        " shown.textContent = JSON.stringify({ ...result, errors });"
        " document.body.append(shown); });</script></body>"
    )
    tested = page.replace("<head>", f"<head>{_ERRORS}", 1)
    head, _, tail = tested.rpartition("</body>")
    (folder / "page.html").write_text(head + collected + tail)
    shown = dom((folder / "page.html").as_uri(), folder, dark=dark)
    found = _RESULT.search(shown)
    assert found, shown[-2000:]
    return json.loads(unescape(found[1]))


def dom_with(address: str, folder: Path, *texts: str) -> str:
    """Return the document of a page that a server fills in, read until it has some texts."""
    for _ in range(ATTEMPTS):
        shown = dom(address, folder)
        missing = [text for text in texts if text not in shown]
        if not missing:
            return shown
    raise AssertionError(f"{address} lacks {missing}")


def dom(address: str, folder: Path, *, dark: bool = False) -> str:
    """Return the document that a page has become; names of hosts lead nowhere."""
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={folder}/profile", "--virtual-time-budget=30000"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    command += ["--window-size=1600,2400", address]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout

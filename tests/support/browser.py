"""A headless Chromium without a network."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
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
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={folder}/profile", "--virtual-time-budget=20000"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1200,2000"]
    command += [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    done = subprocess.run(
        [*command, (folder / "page.html").as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    found = _RESULT.search(done.stdout)
    assert found, done.stderr[-2000:]
    return json.loads(unescape(found[1]))

"""Draw the pictures of the documentation again: a sweep, its page, and how the MLflow UI shows it.

`python docs/images/renew.py FOLDER` takes minutes, and needs Chromium and MNIST; the sweep is kept
in the folder, where the same command continues it.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

from brnn.tracking.reading import run_page

IMAGES = Path(__file__).parent
SWEEP = ("precision=binarynet", "estimator=identity,ste,chernoff", "seed=range(4)")
PORT = 5008
WINDOW = (1700, 1170)
PANELS = (198, 0, 1262, 1170)  # without the navigation and the assistant of MLflow
BROWSER = shutil.which("chromium") or "google-chrome"
MOUSE = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"


def main(folder: Path) -> None:
    """Run the sweep in a folder, and write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    brnn(folder, *SWEEP, "epochs=2", "attack.images=500", "--multirun")
    brnn(folder, "compare", "--html", "page.html")
    picture((folder / "page.html").as_uri(), folder, "page", (1200, 1240), None)
    command = [sys.executable, "-m", "brnn", "ui", f"port={PORT}", "--no-browser"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()  # type: ignore[union-attr]
        host, experiment = re.match(r"(http://[^/]*)/#/experiments/(\d+)/", address).groups()  # type: ignore[union-attr]
        sweep = re.search(r"viewStateShareKey=(\w+)", address)[1]  # type: ignore[index]
        picture(address, folder, "view", WINDOW, PANELS)
        picture(host + run_page(experiment, sweep), folder, "description", WINDOW, PANELS)
    finally:
        server.terminate()
        server.wait()


def brnn(folder: Path, *words: str) -> None:
    """Run a command in a folder."""
    subprocess.run([sys.executable, "-m", "brnn", *words], cwd=folder, check=True)


def picture(
    address: str,
    folder: Path,
    name: str,
    window: tuple[int, int],
    panels: tuple[int, int, int, int] | None,
) -> None:
    """Write what a browser with a mouse shows at an address, or a part of it."""
    file = folder / f"{name}.png"
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={folder}/profile", "--virtual-time-budget=120000"]
    command += [f"--window-size={window[0]},{window[1]}", f"--blink-settings={MOUSE}"]
    subprocess.run([*command, f"--screenshot={file}", address], check=True, stderr=subprocess.PIPE)
    Image.open(file).crop(panels).quantize(256).save(IMAGES / file.name, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

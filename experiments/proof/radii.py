"""The smallest L-inf change that alters the class, of a net of VNN-COMP on test images of GTSRB.

Command    python -m experiments.proof.radii [images] [seconds] [processes]
           (100 images, 120 s for each, 2 processes)
Needs      net30.onnx of the benchmark traffic_signs_recognition_2023 in $BRNN_DATA/vnncomp, and
           gtsrb30.npz in $BRNN_DATA
Output     experiments/proof/radii.csv, which is continued, and radii.png: for each image the bounds
           in grey levels, real pixels between 0 and 255; Markdown: the share decided at some radii
"""

import csv
import math
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path

import numpy as np

from brnn import figures
from brnn.proof import onnx_reader
from brnn.proof.decide import Options, Verdict, decide
from brnn.proof.integer_net import IntegerNet
from brnn.proof.minimal import smallest_change
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import other_class, property_near
from experiments.commands import arguments

FOLDER = Path(__file__).parent
LARGEST, CLASSES = 255.0, 43
START = 0.25  # grey levels
SHOWN = (0.25, 0.5, 1.0, 3.0, 5.0)
COLUMNS = ("image", "label", "low", "high", "proved", "seconds")


@cache
def subject() -> tuple[IntegerNet, Runtime]:
    """Return the net, in whole numbers and as a program."""
    model = onnx_reader.load(Path(os.environ["BRNN_DATA"]) / "vnncomp/net30.onnx")
    return onnx_reader.read(model, LARGEST, whole=False), Runtime(model)


def radius(number: int, x: np.ndarray, label: int, seconds: float) -> tuple:
    """Return the row of an image: the bounds on its smallest change."""
    net, runtime = subject()
    cases = other_class(label, CLASSES)

    def within(size: float, options: Options) -> Verdict:
        given = property_near(x, "linf", size, LARGEST, cases)
        return decide(net, given, runtime.logits, options, lambda *_: None)

    options = Options(whole=False, exactly=True, solver="highs", seconds=seconds)
    verdict = smallest_change(within, x, "linf", LARGEST, START, options)
    low, high = (f"{bound:.4g}" for bound in verdict.radius or (0.0, math.inf))
    return number, label, low, high, int(verdict.proved), f"{verdict.seconds:.1f}"


def main(images: int, seconds: float, processes: int) -> None:
    """Measure the images that the table lacks, draw the figure, and print the shares."""
    with np.load(Path(os.environ["BRNN_DATA"]) / "gtsrb30.npz") as file:
        x, y = file["x"][:images].astype("float64"), file["y"][:images].tolist()
    _, runtime = subject()
    logits = np.concatenate([runtime.logits(image[None]) for image in x])
    correct = np.flatnonzero(logits.argmax(axis=1) == y).tolist()
    path = FOLDER / "radii.csv"
    done = {int(row["image"]) for row in read(path)}
    remaining = [number for number in correct if number not in done]
    with path.open("a", newline="") as file, _pool(processes) as pool:
        writer = csv.writer(file, lineterminator="\n")
        if not done:
            writer.writerow(COLUMNS)
        rows = [pool.submit(radius, n, x[n].ravel(), y[n], seconds) for n in remaining]
        for row in as_completed(rows):
            writer.writerow(row.result())
            file.flush()
    report(read(path), images, len(correct))


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of the table."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return sorted(csv.DictReader(file), key=lambda row: int(row["image"]))


def report(rows: list[dict[str, str]], images: int, correct: int) -> None:
    """Print shares of the images that are classified correctly, and draw all bounds."""
    low, high = (np.array([float(row[key]) for row in rows]) for key in ("low", "high"))
    proved = np.mean([row["proved"] == "1" for row in rows])
    print(f"{correct} of {images} images are classified correctly; {proved:.2f} known up to 1.1\n")
    print("| radius | proved | broken | undecided |\n|---|---|---|---|")
    for size in SHOWN:
        safe, broken = np.mean(low >= size), np.mean(high <= size)
        print(f"| ±{size:g} | {safe:.2f} | {broken:.2f} | {1 - safe - broken:.2f} |")
    order = np.argsort(low, kind="stable")
    finite = np.where(np.isfinite(high), high, LARGEST)
    series = {
        "a change alters the class": list(enumerate(finite[order].tolist(), 1)),
        "no change does": list(enumerate(low[order].tolist(), 1)),
    }
    figure = figures.curves(series, "image, by what is proved", "radius in grey levels", None)
    (FOLDER / "radii.png").write_bytes(figures.png(figure))


if __name__ == "__main__":
    main(*arguments(str(__doc__), images=100, seconds=120.0, processes=2))

"""The smallest L-inf change that alters the class, of a net of VNN-COMP on test images of GTSRB.

Command    python -m experiments.proof.radii [images] [seconds]     (100 images, 24 s for each)
Needs      net30.onnx of the benchmark traffic_signs_recognition_2023 in $BRNN_DATA/vnncomp, and
           gtsrb30.npz in $BRNN_DATA
Output     experiments/proof/radii.csv, which is continued, and radii.png: for each image the bounds
           in grey levels, real pixels between 0 and 255; Markdown: the share decided at some radii
"""

import csv
import os
from pathlib import Path

import numpy as np

from brnn import figures
from brnn.proof import onnx_reader
from brnn.proof.decide import Options, Verdict, decide
from brnn.proof.minimal import smallest_change
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import near, other_class
from experiments.commands import arguments

FOLDER = Path(__file__).parent
LARGEST, CLASSES = 255.0, 43
START = 0.25  # grey levels
SHOWN = (0.25, 0.5, 1.0, 3.0, 5.0)
COLUMNS = ("image", "label", "low", "high", "proved", "seconds")


def radius(net, runtime: Runtime, x: np.ndarray, label: int, seconds: float) -> Verdict:
    """Return the verdict with bounds on the smallest change of an image (k,)."""
    cases = other_class(label, CLASSES)

    def within(size: float, options: Options) -> Verdict:
        given = near(x, "linf", size, LARGEST, cases)
        return decide(net, given, runtime.logits, options, lambda *_: None)

    options = Options(whole=False, exactly=True, solver="highs", seconds=seconds)
    return smallest_change(within, x, "linf", LARGEST, START, options)


def main(images: int, seconds: float) -> None:
    """Measure the images that the table lacks, draw the figure, and print the shares."""
    data = Path(os.environ["BRNN_DATA"])
    with np.load(data / "gtsrb30.npz") as file:
        x, y = file["x"][:images].astype("float64"), file["y"][:images]
    model = onnx_reader.load(data / "vnncomp/net30.onnx")
    net, runtime = onnx_reader.read(model, LARGEST, whole=False), Runtime(model)
    correct = np.concatenate([runtime.logits(part[None]) for part in x]).argmax(axis=1) == y
    path = FOLDER / "radii.csv"
    done = {int(row["image"]): row for row in read(path)}
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not done:
            writer.writerow(COLUMNS)
        for number in np.flatnonzero(correct).tolist():
            if number not in done:
                verdict = radius(net, runtime, x[number].ravel(), int(y[number]), seconds)
                bounds = [f"{bound:.4g}" for bound in verdict.radius]
                proved, taken = int(verdict.proved), f"{verdict.seconds:.1f}"
                writer.writerow([number, y[number], *bounds, proved, taken])
                file.flush()
    report(read(path), images, int(correct.sum()))


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of the table."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


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
    main(*arguments(str(__doc__), images=100, seconds=24.0))

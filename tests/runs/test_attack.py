"""The attack of a run: what is said of its metrics."""

import re

import pytest

from brnn import paths
from brnn.runs.attack import rounding_warning


@pytest.mark.parametrize(
    ("clean", "images", "differs"),
    [(0.5, 200, True), (0.495, 200, False), (0.495 + 1e-7, 200, False), (0.5, 100, False)],
)
def test_two_accuracies_of_the_same_rows_are_reported(clean, images, differs):
    metrics = {"attack/clean_accuracy": clean, "attack/images": images}
    warning = rounding_warning(metrics, {"test/accuracy": 0.495}, 200)
    assert bool(warning) == differs
    if differs:
        assert "attack/clean_accuracy is 0.5000 and test/accuracy 0.4950 on the same 200" in warning
        page, anchor = re.search(r"see (\S+)#(\S+)$", warning).groups()
        headings = re.findall("^## (.*)$", (paths.conf().parent / page).read_text(), re.MULTILINE)
        assert anchor in [h.lower().replace(" ", "-").replace(",", "") for h in headings]

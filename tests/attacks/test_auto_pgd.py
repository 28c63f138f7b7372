"""Auto-PGD: the checkpoints of the paper."""

import numpy as np

from brnn.attacks import auto_pgd


def test_checkpoints_of_apgd_are_those_of_the_paper():
    marks, windows = auto_pgd._checkpoints(100)
    assert np.flatnonzero(marks)[:4].tolist() == [21, 40, 56, 69]  # after 22, 41, 57, 70
    assert windows.numpy()[[21, 40, 56, 69]].tolist() == [22, 19, 16, 13]

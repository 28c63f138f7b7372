"""Sizes of maps: the first kernel, window or stage that images are too small for is named."""

import pytest

from brnn.config.check import check
from brnn.config.maps import check_blocks, check_stages
from brnn.errors import ConfigError


def test_maps_shrink_by_valid_kernels_and_windows():
    """14: a kernel of 3 leaves 12, a window of 2 leaves 6, 5 leaves 2, and 2 fits a window of 2."""
    check_blocks((14, 14), [1, 1], [3, 5], [2, 2], "valid")
    with pytest.raises(
        ConfigError, match=r"13 by 20, .*: topology.pools\[1\]=2 on maps of 1 by 5;"
    ):
        check_blocks((13, 20, 3), [1, 1], [3, 5], [2, 2], "valid")
    with pytest.raises(ConfigError, match=r"topology.kernels\[1\]=5 on maps of 4 by 4"):
        check_blocks((10, 10), [1, 1], [3, 5], [2, 2], "valid")


@pytest.mark.parametrize("padding", ["zero", "one"])
def test_padded_maps_shrink_by_windows_alone(padding):
    check_blocks((4, 4), [1, 1], [9, 9], [2, 2], padding)
    with pytest.raises(ConfigError, match=r"topology.pools\[1\]=2 on maps of 1 by 2"):
        check_blocks((3, 5), [1, 1], [9, 9], [2, 2], padding)


def test_stages_halve_maps_upwards():
    check_stages((5, 5, 3), 4)  # 5, 3, 2, 1
    with pytest.raises(ConfigError, match=r"topology\.stages=5 on maps of 1 by 1"):
        check_stages((5, 5, 3), 5)


def test_blocks_have_one_value_of_each_list():
    with pytest.raises(ConfigError, match="one value for each block, got 2, 1 and 2"):
        check_blocks((8, 8), [4, 6], [3], [2, 1], "valid")


@pytest.mark.parametrize(
    ("dataset", "words", "message"),
    [
        ("mnist", ["topology.pools=[9,9]"], r"topology.pools\[1\]=9 on maps of 3 by 3"),
        ("gtsrb", ["topology.pools=[6,6]"], "of 30 by 30, are too small .* on maps of 5 by 5"),
        ("mnist", ["topology=cnv"], "28 by 28, are too small"),
        (
            "mnist",
            ["topology=resnet20", "topology.stages=7"],
            "topology.stages=7 on maps of 1 by 1",
        ),
        ("mnist", ["topology.kernels=[3]"], "one value for each block"),
        (
            "mnist",
            ["topology=traffic30", "topology.kernels=[40,2]"],
            r"topology.kernels\[0\]=40 on maps of 28 by 28",
        ),
    ],
)
def test_images_of_a_known_data_set_are_checked_with_the_configuration(
    composed, dataset, words, message
):
    topology = [] if any(word.startswith("topology=") for word in words) else ["topology=lenet"]
    with pytest.raises(ConfigError, match=message):
        check(composed(f"dataset={dataset}", *topology, *words))
    check(composed("dataset=cifar10", "topology=cnv"))

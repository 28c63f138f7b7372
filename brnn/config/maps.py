"""Whether a topology fits images: no kernel or window may exceed the map that it reads."""

from typing import Any

from brnn.config.model_file import Shape, input_shape, reads
from brnn.errors import ConfigError


def check_images(topology: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Check that a topology can read images.

    Args:
        topology: a checked option.
        shape: (height, width) or (height, width, channels).

    Raises:
        ConfigError: the images are too small, or not of the shape that a net of a file reads.
    """
    match topology:
        case {"name": "convolutional", "filters": filters, "padding": padding}:
            check_blocks(shape, filters, topology["kernels"], topology["pools"], padding)
        case {"name": "residual", "stages": stages}:
            check_stages(shape, stages)
        case {"name": "keras", "path": path, "net": str(net)}:
            check_inputs(path, input_shape(net), shape)


def check_inputs(path: str | None, inputs: Shape | None, shape: tuple[int, ...]) -> None:
    """Check that the net of a file reads the data.

    Args:
        path: the file; for the message.
        inputs: the shape of one input of the net; None where it is not stated.
        shape: of one row of the data.

    Raises:
        ConfigError: it reads another shape.
    """
    if inputs and not reads(inputs, shape):
        raise ConfigError(
            f"topology.path={path} reads inputs of {inputs}, and the data have {shape}"
        )


def check_blocks(
    shape: tuple[int, ...],
    filters: list[int],
    kernels: list[int],
    pools: list[int],
    padding: str,
) -> None:
    """Check the maps of blocks, each a convolution and max-pooling.

    Args:
        shape: of one image.
        filters: output channels of each convolution.
        kernels: height and width of each kernel.
        pools: height and width of each window; 1 for none.
        padding: `valid`, or maps keep their size.

    Raises:
        ConfigError: a map is smaller than a kernel or a window, or the lists differ in length.
    """
    if not len(filters) == len(kernels) == len(pools):
        raise ConfigError(
            "topology.filters, kernels and pools must have one value for each block, got"
            f" {len(filters)}, {len(kernels)} and {len(pools)}"
        )
    sizes = shape[:2]
    for block, (kernel, pool) in enumerate(zip(kernels, pools, strict=True)):
        if padding == "valid":
            _check_size(sizes, kernel, f"topology.kernels[{block}]={kernel}", shape)
            sizes = tuple(size - kernel + 1 for size in sizes)
        _check_size(sizes, pool, f"topology.pools[{block}]={pool}", shape)
        sizes = tuple(size // pool for size in sizes)


def check_stages(shape: tuple[int, ...], stages: int) -> None:
    """Check the maps of a residual net: each stage but the first halves them.

    Raises:
        ConfigError: a map has a side of 1 before it is halved.
    """
    sizes = shape[:2]
    for _ in range(stages - 1):
        _check_size(sizes, 2, f"topology.stages={stages}", shape)
        sizes = tuple(-(-size // 2) for size in sizes)


def check_groups(width: int, groups: int) -> None:
    """Check that the channels of a residual net can be divided into groups.

    Raises:
        ConfigError: they cannot.
    """
    if width % groups:
        raise ConfigError(
            f"topology.width must be a multiple of topology.groups={groups}, got {width}"
        )


def _check_size(sizes: tuple[int, ...], smallest: int, what: str, shape: tuple[int, ...]) -> None:
    if min(sizes) < smallest:
        raise ConfigError(
            f"the images, of {' by '.join(map(str, shape[:2]))}, are too small for the topology:"
            f" {what} on maps of {' by '.join(map(str, sizes))}; use smaller kernels or pools,"
            " fewer blocks or stages, or padding"
        )

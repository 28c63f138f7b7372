"""The training loop: epochs of a compiled program over data in memory."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from brnn.contracts import Array, ByStep
from brnn.data.check import checked_splits
from brnn.data.dataset import Data, Split
from brnn.errors import ConfigError, NonFiniteError
from brnn.measures.weights import spectral_radii
from brnn.training.checks import check_loss, output_width
from brnn.training.compilation import compile_steps
from brnn.training.program import Program

EVALUATION_BATCH = 2500
OF_THE_LOOP = (  # metrics of an epoch that are not of a split
    "train/images_per_second",
    "time/compile",
    "time/training",
    "time/evaluation",
)
PIECE = 1.0  # seconds of training between two calls of `on_progress`, where Python may also stop

OnShare = Callable[[int, float], None]
"""`on_progress(epoch, share)`: the epoch, from 0, and the share of its steps that is done."""


def no_progress(what: object, share: float) -> None:
    """Ignore progress."""


def fit(
    program: Program,
    data: Data,
    *,
    epochs: int,
    batch_size: int,
    by_step: ByStep,
    seed: int,
    start: int = 0,
    on_progress: OnShare = no_progress,
) -> Iterator[dict[str, float]]:
    """Train a net and yield the metrics of each epoch.

    Each epoch visits the training rows in an order of its own, a permutation drawn from the seed
    and the number of the epoch; rows that fill no batch are left out. A net that carries a
    recurrent state reads the rows as `batch_size` parallel streams instead. Equal arguments and
    initial values give equal bits. The net is trained as the iterator advances: `list(fit(...))`
    trains all epochs.

    Args:
        program: the net; training changes its variables.
        data: arrays (x, y) of each split, `train`, `validation` and `test`; the last two may have
            no rows. x (n, *d) is uint8 for pixels (divided by 255), else what the net takes; y is
            classes, (n,), (n, 1), one-hot or (n, steps), or floats to predict.
        epochs: the epoch after the last one, counted from 0: the number of epochs of a whole run.
        batch_size: rows of a training step, at most those of the training split.
        by_step: the learning rates, and what else changes from step to step.
        seed: decides the order of the rows and what stochastic quantizers, dropout and attacks
            draw.
        start: the first epoch to train, where a run continues from a restored state.
        on_progress: called about once a second with the epoch, from 0, and the share of it
            that is done, in [0, 1).

    Yields:
        The metrics of one epoch. Between two epochs the program's state may be read.

    Raises:
        ConfigError: there are fewer training rows than in a batch, the loss does not give one value
            per label, or XLA cannot compile a layer.
        DataError: the arrays are no such data, or a label is beyond the outputs of the net.
        NonFiniteError: the loss, a weight or a variable of the optimizer became infinite or NaN.
        WorkerError: another worker of a distributed run is lost.

    Metrics:
        train/loss (unit of the loss; nats for cross_entropy): mean over the epoch's steps,
            of the net as it was at each step
        train/accuracy (share): mean over the epoch's steps, of the net as it was at each step
        {split}/loss (unit of the loss; nats for cross_entropy): mean per label over
            validation or test, of the net after the epoch
        {split}/accuracy (share): correct labels of validation or test, of the net after the epoch
        train/images_per_second (per second): rows of the training steps / time/training
        train/learning_rate (factor): learning rate of the epoch's last step
        annealed/{argument} (unit of the argument): annealed argument of the estimator in the
            epoch's last step
        discretized/{part} (share): weights or activations that are discretized in the epoch's last
            step, by a progression; mean over the layers
        time/compile (seconds): compilation of the training step; near 0 from the second epoch on
        time/training (seconds): all training steps of the epoch
        time/evaluation (seconds): evaluation on validation and test
    """
    splits = _checked(program, data, batch_size)
    x, y = map(tf.constant, splits.pop("train"))
    steps = len(x) // batch_size
    for epoch in program.replicas.epochs(start, epochs, program.variables):
        rng = np.random.default_rng([seed, epoch])
        batches = program.replicas.share(_order(program, len(x), batch_size, rng))
        of_epoch = np.arange(epoch * steps, (epoch + 1) * steps)
        values = by_step(of_epoch, epochs * steps)
        table = {name: column.astype("float32") for name, column in values.items()}
        constants = map(tf.constant, table.values())
        arguments = [x, y, tf.constant(batches), dict(zip(table, constants, strict=True))]
        arguments.append(tf.constant([seed, epoch]))
        rates = table["train/learning_rate"]
        sums, times = _train_epoch(program, arguments, rates, epoch, on_progress, epoch == start)
        metrics = {  # as float32, of which the store shows the shortest decimal
            f"train/{name}": float(np.float32(float(total) / steps)) for name, total in sums.items()
        }
        trained = time.perf_counter()
        yield metrics | {
            **_scores(program, splits, batch_size),
            "train/images_per_second": steps * batch_size / times["time/training"],
            **{name: float(column[-1].mean()) for name, column in table.items()},
            **times,
            "time/evaluation": time.perf_counter() - trained,
        }


def evaluated(program: Program, data: Data, batch_size: int) -> dict[str, float]:
    """Return losses and accuracies of a net on validation and test data; see `fit`."""
    splits = _checked(program, data, batch_size)
    del splits["train"]
    return _scores(program, splits, batch_size)


def _scores(program: Program, splits: dict[str, Split], batch_size: int) -> dict[str, float]:
    scores = {split: score(program, *rows, batch_size) for split, rows in splits.items()}
    return {f"{split}/{name}": v for split, of in scores.items() for name, v in of.items()}


def _checked(program: Program, data: Data, batch_size: int) -> dict[str, Split]:
    """Return the splits of data, after checks of what a program makes of them."""
    outputs = output_width(program.manager.model)
    splits = checked_splits(data, outputs)
    x, y = splits["train"]
    if not 1 <= batch_size <= len(x):
        raise ConfigError(
            f"batch_size must be from 1 to {len(x)}, the training rows, got {batch_size}"
        )
    check_loss(program.loss, y, outputs)
    return splits


def metric_names(program: Program, data: Data, by_step: ByStep) -> list[str]:
    """Return the names of the metrics of an epoch; see `fit`."""
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    measured, _ = program.zeros(tf.constant(data.train[1][:1]), 1)
    names = [f"{split}/{name}" for split, (x, _) in splits.items() if len(x) for name in measured]
    return [*names, *by_step(np.arange(1), 1), *OF_THE_LOOP]


def score(program: Program, x: np.ndarray, y: np.ndarray, batch_size: int) -> dict[str, float]:
    """Return the mean loss per label and, of classes, the accuracy of the discretized net.

    Args:
        program: the net.
        x: inputs (n, *d).
        y: labels.
        batch_size: streams that a net with a recurrent state reads in parallel, each from a state
            of zeros; unused for other nets.

    Returns:
        `loss` and `accuracy`; nothing where there are no rows.
    """
    if not len(x):
        return {}
    carries = bool(program.manager.initial_state(1))
    order = streams(len(x), batch_size) if carries else chunks(len(x), EVALUATION_BATCH)
    state = program.manager.initial_state(order.shape[1])
    batches = []
    for rows in order:
        values, state = program.test(x[rows % len(x)], y[rows % len(x)], state)
        batches.append(values)
    rows, first_index = np.unique(order, return_index=True)
    real = first_index[rows < len(x)]  # each row once; the padding of the last batch is dropped
    return {
        name: float(np.concatenate([values[name] for values in batches])[real].mean())
        for name in batches[0]
    }


def chunks(rows: int, size: int) -> np.ndarray:
    """Return 0 to `rows` - 1 in rows of at most `size`, (batches, size); zeros fill up the last."""
    size = min(size, rows)
    filled = np.zeros(-(-rows // size) * size, "int32")
    filled[:rows] = np.arange(rows)
    return filled.reshape(-1, size)


def streams(rows: int, size: int) -> np.ndarray:
    """Return 0, 1, … in at most `size` columns, (steps, size).

    Each column holds consecutive numbers. The last numbers exceed `rows` - 1 where the columns do
    not divide the rows equally.
    """
    size = min(size, rows)
    return np.arange(-(-rows // size) * size, dtype="int32").reshape(size, -1).T


def _order(program: Program, rows: int, batch_size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the row numbers of each step of an epoch, (steps, batch_size)."""
    used = rows // batch_size * batch_size
    if program.manager.initial_state(1):
        return streams(used, batch_size)
    return rng.permutation(rows)[:used].reshape(-1, batch_size).astype("int32")


def _train_epoch(
    program: Program,
    arguments: list[Array],
    learning_rates: np.ndarray,
    epoch: int,
    on_progress: OnShare,
    is_first: bool,
) -> tuple[dict[str, Array], dict[str, float]]:
    """Train one epoch in pieces of about `PIECE` seconds.

    The first piece is one step. Several workers take all steps at once, to stay in step.

    Args:
        program: the net.
        arguments: those of `Program.train` that are the same for all pieces.
        learning_rates: those of each step.
        epoch: its number, from 0.
        on_progress: called before each piece.
        is_first: whether parts of the steps may not be compiled yet.

    Returns:
        The sum of each metric over the steps, and the seconds of compilation and of training.
    """
    _, y, batches, *_ = arguments
    steps = len(learning_rates)
    sums = program.zeros(y, batches.shape[1])
    radii = spectral_radii(program.manager)
    started = time.perf_counter()
    with program.replicas.worker_errors():
        compile_steps(program, arguments, sums, is_first)
        compiled = piece_started = time.perf_counter()
        done, stop = 0, 1 if program.replicas.workers == 1 else steps
        while done < steps:
            on_progress(epoch, done / steps)
            sums, finite = program.train(*arguments, *map(tf.constant, (done, stop)), sums)
            if not finite:
                mean_loss = float(sums[0]["loss"]) / stop
                raise NonFiniteError(
                    f"epoch {epoch + 1}: the loss is {mean_loss}, and it or a weight is not finite;"
                    f" {_remedy(radii, learning_rates[stop - 1])}"
                )
            now = time.perf_counter()
            piece = max(1, int(PIECE * (stop - done) / (now - piece_started)))
            done, stop, piece_started = stop, min(steps, stop + piece), now
    training = time.perf_counter() - compiled
    return sums[0], {"time/compile": compiled - started, "time/training": training}


def _remedy(radii: dict[str, float], rate: float) -> str:
    """Return the most likely cause of values that are not finite, and what to change."""
    path, radius = max(radii.items(), key=lambda item: item[1], default=("", 0.0))
    if radius > 1:
        return (
            f"the discretized {path} had a spectral radius of {radius:.3g}, the factor by which a"
            f" state grows at each step where nothing bounds it; try a smaller scale of recurrent"
            f" kernels, another initializer than scaled_identity, or a lower"
            f" optimizer.learning_rate (now {rate:.3g})"
        )
    return f"try a lower optimizer.learning_rate (now {rate:.3g})"

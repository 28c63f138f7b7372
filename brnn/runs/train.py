"""Training one net, epoch by epoch, with checkpoints."""

import math
import time
import zipfile

from brnn import locks
from brnn.data.pixels import to_pixels
from brnn.errors import ConfigError, PrunedError
from brnn.measures.cost import binary_share, product_cost
from brnn.measures.gradients import gradient_shares
from brnn.measures.text import per_character
from brnn.measures.weights import packed_size, snapshot, spectral_radii, weight_metrics
from brnn.runs.choice import LATE, as_list, best_epoch, has_ended, objective_of
from brnn.terminal import lines, progress
from brnn.training import build, checkpoint

PROBED = 1000  # rows on which the share of passed gradients is measured


def lock_net(path, name):
    """Hold the lock of one trained net, and print a line if another process holds it."""
    waiting = f"{name} waits for its net, which another process trains"
    return locks.locked(path, lambda: lines.note(waiting))


def train(program, data, options, tracked, paths, name, on_epoch):
    """Trains, and after each epoch logs it and writes a checkpoint, from which an earlier run goes on.

    `paths` are of this checkpoint and of where that of another run that trained the same net would lie.
    Returns the metrics of all epochs, the best state, and the seconds that went into earlier runs.
    """
    began = time.perf_counter()
    path = next((one for one in paths if one.exists()), paths[0])
    history, best, before_seconds, trainer = _resumed(program, path)
    if _by_another(trainer, tracked, name, len(history)):
        before_seconds = 0.0
    for epoch, metrics in enumerate(history, 1):  # of which the last may not be logged yet
        tracked.metrics(metrics, step=epoch)
    before, first = snapshot(program.manager), len(history) + 1
    with progress.training_progress(options["epochs"], name, done=len(history)) as bar:
        epochs = build.epochs(program, options, data, start=len(history), tell=bar.within)
        while not has_ended(history, options):
            metrics, epoch = next(epochs), len(history) + 1
            now = snapshot(program.manager)
            metrics |= weight_metrics(now, before)
            radii = spectral_radii(program.manager)
            metrics |= {f"spectral_radius/{path}": radius for path, radius in radii.items()}
            if data.tokens is not None and options["loss"]["name"] == "cross_entropy":
                metrics |= per_character(metrics)
            metrics |= gradient_shares(program.manager, to_pixels(data.train[0][:PROBED]))
            history.append(metrics)
            state = program.state()
            if best_epoch(history) == epoch:
                best = state
            seconds = before_seconds + time.perf_counter() - began
            states = {"last": state, "best": best} if options["keep"] == "best" else {"last": state}
            checkpoint.save(
                paths[0], states, {"history": history, "seconds": seconds, "run": tracked.id}
            )
            tracked.metrics(metrics, step=epoch)
            if epoch == first:
                late = (*LATE, f"{options['attack']['name']}/")
                early = [key for key in as_list(options["objective"]) if not key.startswith(late)]
                objective_of(metrics | closing_metrics(history, program), early)
            bar.update(metrics, epoch)
            if not on_epoch(epoch, metrics):
                raise PrunedError(f"given up after epoch {epoch}")
            before = now
    program.replicas.dismiss()
    return history, best, before_seconds


def _by_another(trainer, tracked, name, epochs):
    """Whether another run trained the net; says so, or after how many epochs of its own this one goes on."""
    another = trainer not in (None, tracked.id)
    if another:
        lines.note(
            f"{name} takes the net that run {trainer} trained (resume=false trains it again)"
        )
        tracked.tag({"trained_by": trainer})
    elif epochs:
        lines.note(f"{name} goes on after epoch {epochs}")
    return another


def train_along(program, data, options, name):
    """Takes the share of a worker in the epochs of the chief, which alone writes checkpoints and tracks."""
    lines.note(
        f"{name}: this worker takes its share of each batch; the chief tells how the run goes"
    )
    for _ in build.epochs(program, options, data):
        pass
    return math.nan


def _resumed(program, path):
    """The metrics, best state, seconds and run of the epochs that a checkpoint has, and restores its last state."""
    try:
        arrays, values = checkpoint.load(path)
        program.restore(arrays["last"])
        return values["history"], arrays.get("best"), values["seconds"], values["run"]
    except FileNotFoundError:
        return [], None, 0.0, None
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"{path} is no checkpoint of this net ({error}); use resume=false"
        ) from error


def closing_metrics(history, program):
    """What is logged once: the best epoch, and the size of the net."""
    epoch = best_epoch(history)
    best = {
        f"best/{key.replace('/', '_')}": v
        for key, v in history[epoch - 1].items()
        if key.endswith("/accuracy")
    }
    weights = snapshot(program.manager)
    share = binary_share(program.manager, weights)
    cost = product_cost(program.manager, weights)
    return {"best/epoch": epoch, **best, **packed_size(weights), "size/binary_share": share, **cost}

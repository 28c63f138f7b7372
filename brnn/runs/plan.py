"""The plan of a run: data, fingerprint, name, files, replicas."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brnn.config import groups, schema
from brnn.config.attack_options import members
from brnn.config.fingerprint import run_fingerprint, training_fingerprint
from brnn.config.model_file import is_net
from brnn.config.objective import objectives
from brnn.config.run_name import run_name
from brnn.data.dataset import Data
from brnn.data.load import load_checked
from brnn.errors import ConfigError
from brnn.nets.models import effective
from brnn.nets.task import Task, task_of
from brnn.terminal import lines
from brnn.tracking.sweep_job import SweepJob
from brnn.training.checkpoint import trained_path
from brnn.training.replicas import ONE_DEVICE, Replicas

PLAIN = "identity"  # the default estimator, for which no note is printed


@dataclass(frozen=True)
class RunPlan:
    """A run that has not begun.

    `digest` is that of the data, `checkpoint` is the file of its state while it trains, `trained`
    that of its trained net, which other runs with the same training share, and `spool` that of
    records for an absent server. `without_effect` is the choice that no number
    of the run depends on; empty: none.
    """

    options: dict[str, Any]
    settings: schema.Root
    data: Data
    digest: str
    fingerprint: str
    name: str
    checkpoint: Path
    trained: Path
    spool: Path
    replicas: Replicas
    command: str
    without_effect: str

    @property
    def verdicts(self) -> Path:
        """The file of the verdicts of a solver, image by image."""
        return self.checkpoint.with_suffix(".verdicts")

    def remove_state(self) -> None:
        """Remove what the run left to be continued from."""
        self.checkpoint.unlink(missing_ok=True)
        self.verdicts.unlink(missing_ok=True)

    @property
    def objective(self) -> list[str]:
        """The metrics that the run returns."""
        return objectives(self.options, len(self.data.validation[0]) > 0)

    @property
    def task(self) -> Task:
        """Inputs and outputs of the net."""
        return task_of(self.data)


def plan_run(
    options: dict[str, Any], job: SweepJob | None, varied: Sequence[str], command: str = ""
) -> RunPlan:
    """Load the data and return the plan of a run.

    Args:
        options: a checked configuration.
        job: the position of the run in its sweep, if it is part of one.
        varied: the overrides that distinguish the run in its sweep.
        command: the command line that repeats it, if it was started by one.

    Raises:
        ConfigError: the data do not serve the configuration, or devices cannot share a batch.
    """
    settings = schema.root(options)
    data, digest = load_checked(options)
    numbers = effective(options)
    fingerprint, trained = fingerprints(options, digest)
    name = run_name(options, varied)
    estimator = groups.label(options["estimator"])
    if "estimator" not in numbers and estimator != PLAIN:
        lines.note(
            f"{name}: estimator={estimator} has no effect, since"
            f" precision={groups.label(options['precision'])} discretizes no activation"
        )
    if options["precision"]["name"] == "full" and options["progression"]["name"] != "none":
        lines.note(
            f"{name}: progression={groups.label(options['progression'])} has no effect, since"
            " precision=full discretizes nothing"
        )
    checkpoint = Path(settings.checkpoints) / f"{fingerprint}.npz"
    return RunPlan(
        options,
        settings,
        data,
        digest,
        fingerprint,
        name=name,
        checkpoint=checkpoint,
        trained=trained_path(settings.checkpoints, trained),
        spool=checkpoint.with_suffix(".jsonl"),
        replicas=choose_replicas(options, job),
        command=command,
        without_effect="".join(options.keys() - numbers.keys()),
    )


def fingerprints(options: dict[str, Any], digest: str) -> tuple[str, str]:
    """Return the fingerprint of a run, and that of its training alone.

    Args:
        options: a checked configuration.
        digest: that of the data.
    """
    numbers = effective(options)
    given = digest + _file_digest(options["init"]["from"])
    attacks = [options["attack"], *members(options["attack"], options["plugins"]).values()]
    sources = sorted({attack["source"] for attack in attacks if attack.get("source")})
    surrogates = "".join(map(_file_digest, sources))
    return run_fingerprint(numbers, given + surrogates), training_fingerprint(numbers, given)


def _file_digest(net: str | None) -> str:
    """Return the hash of the file of a net; empty where there is none, but a run."""
    if net is None or not is_net(net) or not Path(net).is_file():
        return ""
    return hashlib.sha256(Path(net).read_bytes()).hexdigest()


def choose_replicas(options: dict[str, Any], job: SweepJob | None) -> Replicas:
    """Return the replicas that share each batch; one where a processor's parts would be unequal.

    Raises:
        ConfigError: devices cannot share a batch equally, or several workers train a sweep.
    """
    option, size = options["distribution"], options["batch_size"]
    if job and option["name"] == "multi_worker":
        raise ConfigError("distribution=multi_worker is for one net, and not for --multirun")
    topology, _ = groups.locate("topology", options["topology"]["name"], options["plugins"])
    distribution = groups.function("distribution", option, options["plugins"])
    replicas = distribution(topology == "brnn.nets.recurrent")
    if size % replicas.count == 0:
        return replicas
    if replicas.strategy is None:
        lines.note(
            f"batch_size={size} is not a multiple of distribution.shards={replicas.count}:"
            " batches stay whole"
        )
        return ONE_DEVICE
    raise ConfigError(
        f"batch_size must be a multiple of {replicas.count}, the devices that share a batch,"
        f" got {size}"
    )

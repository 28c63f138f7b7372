"""A tracking store and its experiment."""

import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
import mlflow.store.tracking.sqlalchemy_store  # else imported as a store is opened, when that takes longer
from mlflow.entities import RunTag
from mlflow.exceptions import MlflowException

from brnn.config.ranges import StoreUri
from brnn.errors import PrunedError, TrackingError
from brnn.tracking.failures import clear_errors
from brnn.tracking.process import owner
from brnn.tracking.records import as_texts
from brnn.tracking.run import Run
from brnn.tracking.sqlite import SQLITE, absolute, locked_store
from brnn.tracking.sweep_job import SweepJob
from brnn.tracking.tag_names import (
    ERROR,
    FAILED,
    FINGERPRINT,
    GIVEN_UP,
    JOB,
    LAUNCH,
    OWNER,
    PARENT,
    REUSED,
)


class Store:
    """An experiment in a tracking store."""

    def __init__(self, client: mlflow.MlflowClient, experiment_id: str, uri: str):
        self.client = client
        self.experiment_id = experiment_id
        self.uri = uri

    @contextmanager
    def run(
        self,
        name: str,
        tags: dict,
        job: SweepJob | None,
        spool: Path | None = None,
        earlier=None,
    ):
        """A new run, or `earlier` opened again; `job` is its place in a sweep, if it has one.

        It ends as finished, as killed by Ctrl-C or by a sweeper, or as failed with its error as a tag.
        """
        tags = {LAUNCH: ""} | tags | {OWNER: owner()}
        tags |= {PARENT: job.parent, LAUNCH: job.launch, JOB: job.number} if job else {}
        run_id = self._reopen(earlier, tags) if earlier else self._create(name, tags)
        run = Run(self, run_id, spool, earlier)
        try:
            yield run
        except KeyboardInterrupt:
            run.end("KILLED")
            raise
        except PrunedError as reason:
            run.tag({GIVEN_UP: str(reason)})
            run.end("KILLED")
            raise
        except BaseException as error:
            with suppress(TrackingError):  # the first error is what counts
                run.tag({ERROR: f"{type(error).__name__}: {error}"})
                run.end("FAILED")
            raise
        run.end("FINISHED")

    def earlier(self, fingerprint: str):
        """The newest run of a fingerprint, or None."""
        with clear_errors(self.uri):
            query = f"tags.{FINGERPRINT} = '{fingerprint}'"
            found = self.client.search_runs(
                [self.experiment_id], query, order_by=["start_time DESC"], max_results=1
            )
        return found[0] if found else None

    def children(self, parent: str) -> list:
        """The runs of a sweep in the order of its jobs; runs that it found finished are among them."""
        reused = f"{REUSED}.{parent}"
        found = self._search(f"tags.`{PARENT}` = '{parent}'") + self._search(
            f"tags.`{reused}` LIKE '%'"
        )

        def place(run):
            tags = run.data.tags
            return int(tags.get(reused, tags.get(JOB, 0))), run.info.start_time

        return sorted({run.info.run_id: run for run in found}.values(), key=place)

    def history(self, run_id: str, key: str) -> dict[int, float]:
        """The values of a metric by step."""
        with clear_errors(self.uri):
            return {
                metric.step: metric.value for metric in self.client.get_metric_history(run_id, key)
            }

    def reuse(self, run_id: str, job: SweepJob) -> None:
        """Makes a finished run count as a job of a sweep."""
        with clear_errors(self.uri):
            self.client.set_tag(run_id, f"{REUSED}.{job.parent}", str(job.number))

    def delete(self, run_id: str) -> None:
        """Puts a run into the store's trash."""
        with clear_errors(self.uri):
            self.client.delete_run(run_id)

    def kill(self, run_id: str) -> None:
        """Marks a run, whose process is gone, as killed."""
        with clear_errors(self.uri):
            self.client.set_terminated(run_id, "KILLED")

    def _create(self, name, tags):
        with clear_errors(self.uri):
            return self.client.create_run(
                self.experiment_id, run_name=name, tags=as_texts(tags)
            ).info.run_id

    def _reopen(self, earlier, tags):
        run_id = earlier.info.run_id
        with clear_errors(self.uri):
            self.client.log_batch(
                run_id, tags=[RunTag(key, text) for key, text in as_texts(tags).items()]
            )
            for key in (ERROR, GIVEN_UP, FAILED):
                if key in earlier.data.tags:
                    self.client.delete_tag(run_id, key)
            self.client.update_run(run_id, "RUNNING")
        return run_id

    def net(self, run_id: str) -> tuple[dict, list]:
        """The configuration and the weights of the net that a run logged."""
        import keras
        import yaml

        with tempfile.TemporaryDirectory() as folder, clear_errors(self.uri):
            options = yaml.safe_load(
                Path(self.client.download_artifacts(run_id, "config.yaml", folder)).read_text()
            )
            saved = Path(
                self.client.download_artifacts(run_id, "model", folder), "data", "model.keras"
            )
            return options, keras.models.load_model(
                saved, compile=False, safe_mode=True
            ).get_weights()

    def text(self, run_id: str, path: str) -> str:
        """A text artifact of a run."""
        with tempfile.TemporaryDirectory() as folder, clear_errors(self.uri):
            return Path(self.client.download_artifacts(run_id, path, folder)).read_text()

    def _search(self, query):
        found, token = [], None
        with clear_errors(self.uri):
            while True:
                page = self.client.search_runs([self.experiment_id], query, page_token=token)
                found, token = found + list(page), page.token
                if not token:
                    return found


def open_store(*, uri: StoreUri, experiment: str) -> Store:
    """Opens the store at an MLflow tracking URI, and creates the experiment in it if there is none.

    A SQLite file is created once, under a lock: several processes that migrate it at once would break it.
    """
    uri = absolute(uri)
    with clear_errors(uri), locked_store(uri):
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient(uri)
        experiment_id = _experiment(client, experiment, uri)
    return Store(client, experiment_id, uri)


def _experiment(client, name, uri):
    """The identifier of an experiment, which another process may create at the same time."""
    artifacts = (
        Path(uri.removeprefix(SQLITE)).parent / "mlartifacts" if uri.startswith(SQLITE) else None
    )
    found = client.get_experiment_by_name(name)
    if found is None:
        with suppress(MlflowException):
            return client.create_experiment(
                name, artifact_location=artifacts and artifacts.as_uri()
            )
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise TrackingError(
            f"tracking.experiment={name} was deleted from {uri}, or cannot be created; take another name"
        )
    return found.experiment_id

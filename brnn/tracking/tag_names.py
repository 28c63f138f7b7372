"""Names of the tags of a run."""

PARENT = "mlflow.parentRunId"  # the id of a sweep's run; the MLflow UI nests its children by it
NOTE = "mlflow.note.content"  # the description of a run in the MLflow UI, Markdown
SOURCE = "mlflow.source.name"  # what the MLflow UI shows as the source of a run
SOURCE_TYPE = "mlflow.source.type"  # `JOB`: the UI shows the source as it is, else its last path
MODELS = "mlflow.log-model.history"  # the models of a run as JSON, which the UI lists and opens
VIEW = "mlflow.sharedViewState"  # of an experiment, `mlflow.sharedViewState.<key>`: a saved view
FINGERPRINT = "fingerprint"  # equal for runs of equal numbers
WITHOUT_EFFECT = "without_effect"  # the choice of the run that no number of it depends on
OWNER = "owner"  # the process that writes the run
LAUNCH = "launch"  # the command that started the run; empty outside a sweep
JOB = "job"  # the number of the run in its sweep
REUSED = "reused_by"  # `reused_by.<parent>`: the number of a finished run in a later sweep
GROUP = "group"  # `group.<start of the parent's id>`: the values that a sweep groups a run by
ERROR = "error"  # the exception that ended the run
FAILED_IN = "failed_in"  # the part of a run in which that happened
PRUNED = "pruned"  # the reason for which a sweeper stopped the run
JOBS = "jobs"  # of a sweep: how many it has
FAILED = "failed"  # of a sweep: the errors of its jobs by name
RECORD = "failed_job"  # the overrides, a list, of a job that failed before its run was created
REFUSED = "refused"  # the error of a record that the server refused

"""Names of the tags that runs carry."""

PARENT = "mlflow.parentRunId"
FINGERPRINT, OWNER, LAUNCH, JOB, REUSED = (
    "fingerprint",
    "owner",
    "launch",
    "job",
    "reused_by",
)  # tags
ERROR, GIVEN_UP, FAILED, RECORD, REFUSED = "error", "given_up", "failed", "record", "refused"

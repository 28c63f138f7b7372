"""Means of finished groups, worked out by hand."""

import math

from hydra.core.utils import JobReturn, JobStatus
from support.jobs import Errand

from brnn.config.objective import Outcome
from brnn.sweeps.means import GroupMeans


def result(value, status=JobStatus.COMPLETED, **others):
    outcome = Outcome({"test/accuracy": value} | others, is_skipped=False)
    return JobReturn(_return_value=outcome, status=status)


def jobs(*estimators, seeds=2):
    overrides = [
        ["epochs=3", f"estimator={name}", f"seed={seed}"]
        for name in estimators
        for seed in range(seeds)
    ]
    return [Errand(words, "None") for words in overrides]


def test_a_group_has_a_line_as_its_last_job_ends():
    means = GroupMeans(jobs("ste", "identity"))
    lines = [means.finished(i, result(v)) for i, v in [(0, 0.5), (3, 0.25), (1, 0.7), (2, 0.25)]]
    assert lines == [
        "",
        "",
        "estimator=ste: test/accuracy 0.6000 ± 0.1414, 2 of 2 jobs",  # sqrt(2 * 0.1^2)
        "estimator=identity: test/accuracy 0.2500 ± 0.0000, 2 of 2 jobs",
    ]


def test_failed_jobs_are_counted_and_several_objectives_are_listed():
    means = GroupMeans(jobs("ste", seeds=3))
    means.finished(0, result(0.5, **{"test/loss": 1.5}))
    means.finished(1, JobReturn(_return_value=OSError("no"), status=JobStatus.FAILED))
    text = means.finished(2, result(math.nan))
    assert text == "all jobs: test/accuracy 0.5000, test/loss 1.5000, 1 of 3 jobs"


def test_a_group_without_any_result_has_failed():
    means = GroupMeans(jobs("ste"))
    pruned = JobReturn(_return_value=None, status=JobStatus.COMPLETED)
    assert [means.finished(i, pruned) for i in range(2)] == ["", "all jobs: failed, 0 of 2 jobs"]


def test_a_single_job_is_no_group():
    assert GroupMeans(jobs("ste", seeds=1)).finished(0, result(0.5)) == ""

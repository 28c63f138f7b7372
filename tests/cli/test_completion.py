"""Shell completion of groups, options, keys, commands and flags, in a real bash."""

import shutil
import subprocess

import pytest

BASH = """
eval "$(brnn -sc install=bash)"
complete -p brnn > /dev/null || exit 1
COMP_LINE=$1 COMP_POINT=${#1}
read -ra COMP_WORDS <<< "$1"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
case $1 in *" ") COMP_CWORD=$((COMP_CWORD + 1)) ;; esac
hydra_bash_completion
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def completed(installed, broken_libraries, tmp_path_factory):
    """A function from a line to the words that bash offers at its end."""
    bash = shutil.which("bash")
    if not bash:
        pytest.skip("no bash")
    folder = tmp_path_factory.mktemp("empty")

    def complete(line) -> list[str]:
        path = {"PYTHONPATH": f"{broken_libraries['PYTHONPATH']}:{installed['PYTHONPATH']}"}
        done = subprocess.run(
            [bash, "--norc", "-c", BASH, "bash", line],
            capture_output=True, text=True, check=False, cwd=folder, env=installed | path,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return complete


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("brnn preci", ["precision.", "precision="]),
        ("brnn estimator=ch", ["estimator=chernoff"]),
        ("brnn sam", ["sample", "sample."]),
        ("brnn epo", ["epochs="]),
        ("brnn training=adversarial training.eps", ["training.epsilon="]),
        ("brnn --multirun seed=0,1 hydra/laun", ["hydra/launcher="]),
        ("brnn hydra/launcher=r", ["hydra/launcher=ray"]),
        ("brnn --mul", ["--multirun"]),
        ("brnn sample pro", ["prompt="]),
        ("brnn sync che", []),
        ("brnn estimator=nonsense epo", []),
        ("brnn seed=(( epo", []),
    ],
)
def test_bash_completes_the_last_word(completed, line, words):
    assert sorted(completed(line)) == sorted(words)


def test_a_new_word_is_offered_every_command_group_and_key(completed):
    assert {"sample", "sync", "topology=", "topology.", "epochs="} <= set(completed("brnn "))
    assert "sync" not in completed("brnn epochs=3 ")


def test_python_is_not_completed_where_brnn_is_run_as_a_module(light):
    done = light("-sc", "install=bash")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.rstrip().endswith(" hydra_bash_completion brnn")

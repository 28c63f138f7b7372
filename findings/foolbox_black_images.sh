#!/usr/bin/env bash
# Foolbox 3.3.4: an unbounded Carlini-Wagner attack that finds nothing returns black images.
#
# The net is sign(x - 1/2) and a dense layer: its gradient is zero, as that of a net whose backward
# pass is masked, so the attack cannot move. Asked for the smallest perturbation (epsilons=None), it
# returns an image of zeros where it found none, and success is whether that image has another
# class. A perturbation as large as the image itself then counts as a result of the attack. The line
# that was seen:
#   success 1.00, images that are black 1.00
# The script fails when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet foolbox==3.3.4 tensorflow==2.21.0 2>/dev/null
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - 2>"$folder/err" <<'PYTHON'
import foolbox
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
images = rng.uniform(0.0, 1.0, (20, 16)).astype("float32")
bright = tf.constant(np.ones((16, 1), "float32"))


def net(x):
    brightness = tf.sign(x - 0.5) @ bright  # black images have the least
    return tf.concat([brightness + 15.0, -brightness - 15.0], axis=1)


model = foolbox.TensorFlowModel(net, bounds=(0, 1))
labels = tf.argmax(net(tf.constant(images)), axis=1)
attack = foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=3, steps=50)
_, found, success = attack(model, tf.constant(images), labels, epsilons=None)
black = (found.numpy() == 0).all(axis=1)
same = np.allclose(np.linalg.norm(found - images, axis=1), np.linalg.norm(images, axis=1))
print(f"success {success.numpy().mean():.2f}, images that are black {black.mean():.2f}")
print("foolbox", foolbox.__version__)
assert black.all() and same
assert success.numpy().all()
PYTHON

#!/usr/bin/env bash
# vnnlib 1.0.2: the compatibility reader turns an equality of VNN-LIB into one inequality.
#
# (== X[0] 0.5) pins an input. vnnlib.compat gives the box (-inf, 0.5), so that a verifier that
# reads through it proves or refutes another property. The line that was seen:
#   bounds of the pinned input: (-inf, 0.5)
# The script fails when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet vnnlib==1.0.2
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import vnnlib
from vnnlib import compat

text = """(vnnlib-version <2.0>)
(declare-network net
  (declare-input X float32 [2])
  (declare-output Y float32 [2]))
(assert (== X[0] 0.5))
(assert (>= X[1] 0.0))
(assert (<= X[1] 1.0))
(assert (<= Y[0] Y[1]))
"""
(case,) = compat.transform(vnnlib.parse_query_string(text))
print("bounds of the pinned input:", tuple(map(float, case.input_box[0])))
print("bounds of the other input:", tuple(map(float, case.input_box[1])))
print("vnnlib", version("vnnlib"))
assert tuple(case.input_box[0]) == (float("-inf"), 0.5)
assert tuple(case.input_box[1]) == (0.0, 1.0)
PYTHON

"""The states of recurrent layers whose units have levels.

Shapes: sums and outputs (n, t, m) of n sequences of t steps, m units.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Recurrence:
    """How the state of a layer enters its sums.

    A sum is `of_inputs` times that of the inputs, plus `of_states` times that of the state before,
    which is 0 at first.

    Attributes:
        kernel: (m, m) codes -1, 0 and +1.
        of_inputs: what a product of an input counts.
        of_states: what a product of a state counts.
        periods: (m,) steps from one update of a unit to the next; all have one at the first step.
        sequence: whether the layer gives its states after all steps, else the last.
    """

    kernel: np.ndarray
    of_inputs: int
    of_states: int
    periods: np.ndarray
    sequence: bool

    def sums(self, products: np.ndarray, output: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the sums of all steps.

        Args:
            products: the sums of the inputs alone.
            output: maps the sums (n, m) of a step to outputs.
        """
        sums = self.of_inputs * products
        state = np.zeros_like(sums[:, 0])
        for step in range(sums.shape[1]):
            sums[:, step] += self.of_states * (state @ self.kernel)
            state = np.where(step % self.periods, state, output(sums[:, step]))
        return sums

    def states(self, outputs: np.ndarray) -> np.ndarray:
        """Return the states after all steps, or (n, m) the last, of the outputs of all sums."""
        steps = np.arange(outputs.shape[1])[:, None]
        updated = steps - steps % self.periods
        states = np.take_along_axis(outputs, updated[None], axis=1)
        return states if self.sequence else states[:, -1]

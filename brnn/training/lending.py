"""Reuse of objects that are costly to make, such as compiled programs, by one holder at a time."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any
from weakref import ref


class Lease:
    """The exclusive use of `value`, for as long as the lease is referenced."""

    def __init__(self, value: Any):
        self.value = value


@dataclass(frozen=True)
class _Loan:
    key: tuple
    value: object
    lease: ref  # to the last lease of the value, dead where the value is free


class Lending:
    """Leases of objects; the most recently leased ones are kept for reuse.

    A weak reference shows whether a lease is still in use, so that no holder has to end it.

    Args:
        make: `make(*key)` returns a new object.
        size: objects that are kept.
    """

    def __init__(self, make: Callable[..., Any], size: int):
        self._make = make
        self._size = size
        self._loans: list[_Loan] = []  # from the least to the most recently leased

    def __call__(self, *key: Hashable) -> Lease:
        """Return a lease of a free object of this key, or of a new one where none is free."""
        free = (loan for loan in self._loans if loan.key == key and loan.lease() is None)
        reused = next(free, None)
        lease = Lease(reused.value if reused else self._make(*key))
        others = [loan for loan in self._loans if loan is not reused]
        self._loans = [*others, _Loan(key, lease.value, ref(lease))][-self._size :]
        return lease

"""Objects that are costly to make, such as compiled programs, each used by one holder at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from weakref import ref


class Lease:
    """The exclusive use of an object, for as long as the lease is referenced."""

    def __init__(self, lent):
        self.lent = lent


@dataclass(frozen=True)
class _Loan:
    key: tuple
    lent: object
    lease: ref  # to the last lease of the object, dead where it is free


class Lending:
    """Leases objects that `make(*key)` makes, and reuses the last `size`, each after its lease.

    A weak reference shows whether a lease is still in use, so that no holder has to end it.
    """

    def __init__(self, make: Callable, size: int):
        self._make = make
        self._size = size
        self._loans: list[_Loan] = []  # from the least to the most recently leased

    def __call__(self, *key) -> Lease:
        """A lease of a free object of this key, or of a new one where none is free."""
        free = (loan for loan in self._loans if loan.key == key and loan.lease() is None)
        found = next(free, None)
        lease = Lease(found.lent if found else self._make(*key))
        others = [loan for loan in self._loans if loan is not found]
        self._loans = [*others, _Loan(key, lease.lent, ref(lease))][-self._size :]
        return lease

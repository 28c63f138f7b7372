"""Sparse matrices whose columns grow while a net is read, or a program is built."""

from scipy.sparse import csr_array


def widened(matrix: csr_array, columns: int) -> csr_array:
    """Return a matrix with empty columns after its own, so many in all."""
    parts = (matrix.data, matrix.indices, matrix.indptr)
    return csr_array(parts, shape=(matrix.shape[0], columns))

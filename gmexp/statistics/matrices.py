"""Fixed zero-one matrices that gather parameters into rows and scatter gradients back: dense while small."""

from __future__ import annotations

import numpy as np
from scipy import sparse

__all__ = ["Matrix", "compact", "indicator", "places"]

Matrix = np.ndarray | sparse.csr_array
DENSE_LIMIT = 200_000  # entries up to which a dense matrix is faster than a sparse one


def places(keys: np.ndarray, distinct: np.ndarray) -> Matrix:
    """[distinct, rows] with a one where a row's key is that distinct key."""
    place = {tuple(map(int, key)): i for i, key in enumerate(distinct)}
    index = np.array([place[tuple(map(int, key))] for key in keys], dtype=int)
    return compact(sparse.csr_array(sparse.csr_array(indicator(index, len(place))).T))


def indicator(index: np.ndarray, width: int) -> Matrix:
    """[len(index), width] with a one per row."""
    n = len(index)
    return compact(sparse.csr_array((np.ones(n), (np.arange(n), index)), shape=(n, width)))


def compact(matrix: sparse.csr_array) -> Matrix:
    return np.ascontiguousarray(matrix.toarray()) if np.prod(matrix.shape) <= DENSE_LIMIT else matrix

"""Bytes are compared as NumPy compares them."""

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gmexp_envs.compiled.vectors import BYTES, differing, filled, lowest


@numba.njit
def masks(values, first, second):
    return differing(values, np.uint64(first), np.uint64(second)), filled(values, np.uint64(first))


@numba.njit
def positions(mask):
    out = np.zeros(64, np.bool_)
    while mask:
        out[lowest(mask)] = True
        mask &= mask - np.uint64(1)
    return out


@given(arrays(np.uint8, 2 * BYTES, elements=st.integers(0, 2)), st.integers(0, BYTES), st.integers(0, BYTES))
def test_masks_name_the_bytes_that_differ_and_those_that_are_not_zero(values, first, second):
    unlike, present = masks(values, first, second)
    one, other = values[first:first + BYTES], values[second:second + BYTES]
    assert (positions(np.uint64(unlike)) == (one != other)).all() and (positions(np.uint64(present)) == (one != 0)).all()

"""Scalar functions: plain Python until an engine compiles them, one copy for each world that they serve.

The rules of a world, and what all worlds share, are ordinary functions of numbers and arrays, so that importing a task
needs no compiler. `compiled` turns one into Numba's, and with it every function that it calls. Names given to `bindings`
are replaced on the way: that is how the engine's own functions come to call a world's (`plan`, `step`, `show`, ...).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any


@dataclass(frozen=True)
class Deferred:
    """A compiled function that is imported when it is used; `place` is "package.module:name"."""

    place: str

    def resolved(self) -> Callable[..., Any]:
        module, _, name = self.place.partition(":")
        return getattr(importlib.import_module(module), name)

    def __call__(self, *arguments: Any) -> Any:
        return self.resolved()(*arguments)


hash_bits = Deferred("gmexp_envs.compiled.mersenne_twister:hash_bits")  # (seed, salt) -> uint64
hash_unit = Deferred("gmexp_envs.compiled.mersenne_twister:hash_unit")  # (seed, salt) -> float32 in [0, 1)
hash_below = Deferred("gmexp_envs.compiled.mersenne_twister:hash_below")  # (seed, salt, n) -> int32 in [0, n)
owner = Deferred("gmexp_envs.compiled.splits:owner")  # uint64 content -> the split that a layout belongs to
split_of = Deferred("gmexp_envs.compiled.splits:split_of")  # level seed -> its split
# (target, at, source, start, count) of uint8 arrays and a constant count
copy_bytes = Deferred("gmexp_envs.compiled.memory:copy_bytes")


class Compiler:
    """Compiles functions for one world.

    Arguments:
        bindings: functions and constants by the name under which shared functions know them.
        suffix: goes into the names of functions that depend on the bindings, since Numba's disk cache goes by name: it
            must name the bindings and their version.
    """

    def __init__(self, bindings: Mapping[str, Any], suffix: str) -> None:
        self._bindings, self._suffix = dict(bindings), suffix
        self._made: dict[FunctionType, Any] = {}

    def compiled(self, function: FunctionType) -> Any:
        """The function as Numba's dispatcher."""
        if function not in self._made:
            copy, bound = self._copied(function)
            self._made[function] = _dispatcher(copy) if bound else _shared(function)
        return self._made[function]

    def kernel(self, function: FunctionType) -> FunctionType:
        """A CUDA kernel: the plain function, whose name is its own, calling compiled ones."""
        return self._copied(function)[0]

    def _copied(self, function: FunctionType) -> tuple[FunctionType, bool]:
        """The function with compiled ones in place of those it calls, and whether a binding is among them."""
        names, bound = dict(function.__globals__), False
        for name in function.__code__.co_names:
            value = names.get(name)
            if name in self._bindings and name in names:
                value, bound = self._bindings[name], True
                names[name] = self.compiled(value) if isinstance(value, FunctionType) else value
            elif isinstance(value, Deferred):
                names[name] = value.resolved()
            elif isinstance(value, FunctionType):
                names[name] = self.compiled(value)
                bound = bound or names[name].py_func.__name__.endswith(self._suffix)
        bound = bound or function in self._bindings.values()
        name = f"{function.__name__}_{self._suffix}" if bound else function.__name__
        copy = FunctionType(function.__code__, names, name, function.__defaults__, function.__closure__)
        copy.__module__, copy.__doc__, copy.__qualname__ = function.__module__, function.__doc__, name
        copy.__dict__.update(function.__dict__)
        return copy, bound


def called(function: FunctionType) -> FunctionType:
    """Mark a large or rare function that need not be inlined, which costs time to compile."""
    function.options = {}
    return function


def substituted(function: FunctionType) -> FunctionType:
    """Mark a function that Numba must put in place of its calls, since it returns arrays that it makes."""
    function.options = {"inline": "always"}
    return function


def _dispatcher(function: FunctionType) -> Any:
    """Numba's dispatcher; LLVM inlines what is not marked, since the arrays of a game are fifty words to hand over."""
    from gmexp_envs.compiled.jit import jit

    return jit(function, **getattr(function, "options", {"forceinline": True}))


@cache
def _shared(function: FunctionType) -> Any:
    """The dispatcher of a function that is the same for all worlds."""
    return _dispatcher(Compiler({}, "\0").kernel(function))

"""Types of the public functions' arguments, and of results that depend on them, for type checkers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, SupportsFloat, SupportsIndex, TypeAlias, cast, overload

import numpy as np
from numpy.typing import ArrayLike

Array: TypeAlias = np.ndarray
Input: TypeAlias = ArrayLike
Int: TypeAlias = SupportsIndex
Ints: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | np.ndarray
Numbers: TypeAlias = SupportsFloat | Sequence[SupportsFloat] | np.ndarray


class MaxPool(Protocol):
    """A function whose argument `return_indices` decides whether it gives an array or two."""

    @overload
    def __call__(
        self,
        input: Input,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
        return_indices: Literal[False] = False,
    ) -> Array: ...

    @overload
    def __call__(
        self,
        input: Input,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
        *,
        return_indices: Literal[True],
    ) -> tuple[Array, Array]: ...

    @overload
    def __call__(
        self,
        input: Input,
        kernel_size: Ints,
        stride: Ints | None,
        padding: Ints,
        dilation: Ints,
        ceil_mode: bool,
        return_indices: Literal[True],
    ) -> tuple[Array, Array]: ...

    @overload
    def __call__(
        self,
        input: Input,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Array | tuple[Array, Array]: ...


def typed_max_pool(function: Callable[..., Any]) -> MaxPool:
    """Return the function as it is, with the types of `MaxPool`: one set of them for all numbers of axes."""
    return cast(MaxPool, function)

"""Types of the public functions' arguments, for type checkers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

Array: TypeAlias = np.ndarray
Input: TypeAlias = ArrayLike
Int: TypeAlias = SupportsIndex
Ints: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | np.ndarray
Numbers: TypeAlias = SupportsFloat | Sequence[SupportsFloat] | np.ndarray

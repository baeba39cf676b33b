from collections.abc import Callable, Sequence
from typing import Any

Step = tuple[Callable[..., Any], tuple[Any, ...], int]

def again(call: tuple[Any, ...]) -> Any: ...
def remember(
    call: tuple[Any, ...],
    results: Sequence[Any],
    steps: Sequence[Step],
    several: bool = False,
    unused: Sequence[Any] = (),
) -> None: ...
def forget(serial_work: int = ...) -> None: ...

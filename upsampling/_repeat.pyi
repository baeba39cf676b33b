from collections.abc import Callable, Sequence
from typing import Any

Step = tuple[Callable[..., Any], tuple[Any, ...], int]

def again(call: tuple[Any, ...], known: dict[bytes, Any] | None = None) -> Any: ...
def remember(
    call: tuple[Any, ...],
    results: Sequence[Any],
    steps: Sequence[Step],
    several: bool = False,
    unused: Sequence[Any] = (),
    known: dict[bytes, Any] | None = None,
) -> None: ...
def forget(serial_work: int = ...) -> None: ...

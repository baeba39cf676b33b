from typing import Any

class Memory:
    used: bool

def piece_of(size: int) -> Any: ...
def set_kept(size: int) -> None: ...

"""Upsampling operators on the CPU."""

from . import functional as _functional
from .functional import *  # noqa: F403
from .functional import get_include, get_num_threads, num_threads, set_num_threads, show_config  # noqa: F401

__all__ = [name for name in sorted(vars(_functional)) if name[0] != "_" and callable(vars(_functional)[name])]

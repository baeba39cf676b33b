"""Upsampling operators on the CPU."""

from .functional import *  # noqa: F403
from .functional import get_include, get_num_threads, num_threads, set_num_threads, show_config  # noqa: F401

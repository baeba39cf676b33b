"""The command `upsampling`, also run by `python -m upsampling`."""

from __future__ import annotations

import sys

from ._cli import main

if __name__ == "__main__":
    sys.exit(main())

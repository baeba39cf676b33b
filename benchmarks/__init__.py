"""Races the package against other libraries: `python -m benchmarks --help`."""

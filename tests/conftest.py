"""Options, Hypothesis profiles, and thread settings restored after each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

try:
    from hypothesis import HealthCheck, settings
except ModuleNotFoundError:
    pass
else:
    quiet = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None}
    settings.register_profile("default", max_examples=25, **quiet)
    settings.register_profile("ci", max_examples=300, **quiet)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run also the tests that take more than some seconds")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="needs --long")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _threads_restored():
    """No test changes the threads, or the work below which there is one, for the tests that follow."""
    from upsampling import _threads

    before = _threads._chosen, _threads._default_threads, _threads.SERIAL_WORK
    yield
    _threads._chosen, _threads._default_threads, _threads.SERIAL_WORK = before


@pytest.fixture
def threads_forced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every call uses the threads that are set, however small it is, and whatever others made of the pool."""
    from upsampling import _repeat, _threads
    from upsampling._kernels import cpu

    monkeypatch.setattr(_threads, "_initial_openmp", cpu.max_threads())
    monkeypatch.setattr(_threads, "SERIAL_WORK", 0)
    _repeat.forget(serial_work=0)
    yield
    _repeat.forget()

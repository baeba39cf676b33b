"""The benchmark harness: adapters agree with the package, timing by a made-up clock, reports of made-up results."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1]))
try:
    from benchmarks import peers, race, report
    from benchmarks.rows import ROWS, Row, inputs, output_shape
finally:
    sys.path.pop()

CONV = {"out": 4, "kernel": 4, "stride": 2, "padding": 1}
PICTURE = {"size": (14, 18), "mode": "bilinear"}
SMALL = {
    "conv": Row("conv", "t", "conv_transpose", (1, 3, 5, 6), CONV),
    "packed": Row("packed", "t", "conv_transpose", (1, 3, 5, 6), CONV, packed=True),
    "backward": Row("backward", "t", "conv_transpose", (1, 3, 5, 6), CONV, backward=True),
    "interpolate": Row("interpolate", "t", "interpolate", (1, 3, 7, 9), PICTURE),
    "resize": Row("resize", "t", "resize", (7, 9, 3), {**PICTURE, "antialias": False}, dtype="uint8"),
    "antialias": Row("antialias", "t", "resize", (7, 9, 3), {**PICTURE, "antialias": True}, dtype="uint8"),
    "pool": Row("pool", "t", "max_pool", (1, 3, 8, 8), {"kernel": 2, "stride": 2, "padding": 0}),
    "unpool": Row("unpool", "t", "max_unpool", (1, 3, 4, 4), {"kernel": 2}),
}
MODULES = {"opencv": "cv2", "pillow": "PIL", "kornia": "kornia_rs"}
PAIRS = [("torch", name) for name in ("conv", "backward", "interpolate", "resize", "pool", "unpool")]
PAIRS += [(peer, "packed") for peer in ("onnxruntime", "openvino", "ncnn")]
PAIRS += [("onnxruntime", "interpolate"), ("opencv", "interpolate"), ("opencv", "resize"), ("pillow", "antialias")]
PAIRS += [("kornia", "resize"), ("skimage", "interpolate"), ("scipy", "interpolate")]


def _result(peer: str, row: Row) -> object:
    contestant, reason = peers.build(peer, row, inputs(row), 1)
    if contestant is None and peer == "ours":
        pytest.skip(reason)
    assert contestant is not None, reason
    contestant.enter()
    return contestant.to_numpy(contestant.call())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("peer, name", PAIRS)
def test_a_peer_agrees_with_the_package(peer: str, name: str) -> None:
    pytest.importorskip(MODULES.get(peer, peer))
    if peer in ("onnxruntime", "openvino"):
        pytest.importorskip("onnx")
    row = SMALL[name]
    difference = race.disagreement(_result("ours", row), _result(peer, row), row.tolerance, row.dtype == "uint8")
    assert difference is None


def test_names_are_unique_and_inputs_repeat() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    first, second = inputs(SMALL["unpool"]), inputs(SMALL["unpool"])
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert output_shape(SMALL["conv"]) == (1, 4, 10, 12)


def test_contestants_take_turns_and_the_order_rotates() -> None:
    now, log = [0.0], []

    def contestant(name: str, seconds: float) -> peers.Contestant:
        def call() -> None:
            now[0] += seconds

        return peers.Contestant(call, lambda: log.append(name))

    entered = {"ours": contestant("ours", 0.25), "torch": contestant("torch", 0.5)}
    times = race.race(entered, 3, batch=1.0, clock=lambda: now[0], sleep=lambda seconds: log.append("pause"))
    assert times == {"ours": [0.25] * 3, "torch": [0.5] * 3}
    turns = [name for name in log[2:] if name != "pause"]
    assert turns == ["ours", "torch", "torch", "ours", "ours", "torch"]
    assert log.count("pause") == 6


def test_disagreement_is_reported() -> None:
    ones = np.ones(3)
    assert race.disagreement(ones, ones, 0.0, False) is None
    assert "shape" in str(race.disagreement(ones, np.ones(4), 1.0, False))
    assert "differs" in str(race.disagreement(ones, ones * np.nan, 1.0, False))


def _made_up(ratio: float) -> dict:
    times = {"ours": [1.0, 1.0, 1.0], "torch": [ratio] * 3, "slow": [9 * ratio] * 3}
    return {"row": f"a/{ratio}", "set": "a", "threads": 1, **report.summary(times)}


def test_report_of_made_up_results(tmp_path: Path) -> None:
    results = [_made_up(2.0), _made_up(8.0)]
    assert results[0]["fastest"] == "torch"
    assert results[0]["ratio"] == results[0]["low"] == 2.0
    assert "mean   4.00" in report.sets(results)[0]
    assert "(a/2.0)" in report.sets(results)[0]
    assert "| torch |" in report.markdown(results)
    assert report.compare(results, results) == []
    slower = [{**results[0], "ratio": 1.0, "low": 0.9, "high": 1.1}]
    assert len(report.compare(results, slower)) == 1
    pytest.importorskip("matplotlib")
    report.plot(results, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 0

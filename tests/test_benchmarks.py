"""The benchmark harness: adapters agree with the package, timing by a made-up clock, reports of made-up results."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1]))
try:
    from benchmarks import accuracy, peak, peers, plot, race, report, run, yardsticks
    from benchmarks.problem import Row, changed, inputs, lengthwise, moved_bytes, output_shape, useful_products
    from benchmarks.rows import ROWS
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
    "lengths": Row("lengths", "t", "conv_transpose", (1, 3, 320), CONV, lengths="new"),
    "packed lengths": Row("packed lengths", "t", "conv_transpose", (1, 3, 320), CONV, packed=True, lengths="new"),
    "given": Row("given", "t", "interpolate", (1, 3, 7, 9), PICTURE, given_out=True, base={"given_out": False}),
    "given picture": Row("given picture", "t", "resize", (7, 9, 3), {**PICTURE, "antialias": False}, given_out=True),
    "given unpool": Row("given unpool", "t", "max_unpool", (1, 3, 4, 4), {"kernel": 2}, given_out=True),
    "nearest": Row("nearest", "t", "resize", (7, 9, 3), {"size": (3, 4), "mode": "nearest", "antialias": False}),
    "grey": Row("grey", "t", "resize", (17, 19), {"size": (3, 4), "mode": "lanczos", "antialias": True}),
    "wide": Row("wide", "t", "resize", (7, 9, 3), {**PICTURE, "antialias": False}, dtype="uint16"),
    "linear": Row("linear", "t", "interpolate", (1, 3, 19), {"size": (7,), "mode": "linear", "antialias": True}),
    "trilinear": Row(
        "trilinear", "t", "interpolate", (1, 2, 6, 7, 9), {"size": (3, 4, 12), "mode": "trilinear", "antialias": True}
    ),
    "pool 1d": Row("pool 1d", "t", "max_pool", (1, 3, 8), {"kernel": 2, "stride": 2, "padding": 0}, backward=True),
}
MODULES = {"opencv": "cv2", "pillow": "PIL", "kornia": "kornia_rs"}
PAIRS = [("torch", name) for name in ("conv", "backward", "interpolate", "resize", "pool", "unpool")]
PAIRS += [(peer, "packed") for peer in ("onnxruntime", "openvino", "ncnn")]
PAIRS += [("onnxruntime", "interpolate"), ("opencv", "interpolate"), ("opencv", "resize"), ("pillow", "antialias")]
PAIRS += [("kornia", "resize"), ("skimage", "interpolate"), ("scipy", "interpolate")]
PAIRS += [("torch", name) for name in ("lengths", "given", "given unpool", "nearest", "linear", "trilinear", "pool 1d")]
PAIRS += [("onnxruntime", "packed lengths"), ("openvino", "packed lengths"), ("opencv", "given")]
PAIRS += [("opencv", "given picture"), ("opencv", "nearest"), ("opencv", "wide"), ("pillow", "grey")]


def _result(peer: str, row: Row) -> object:
    contestant, reason = peers.build(peer, row, inputs(row), 1)
    if contestant is None and peer == "ours":
        pytest.skip(reason)
    assert contestant is not None, reason
    contestant.enter()
    value = contestant.to_numpy(contestant.call())
    return value.copy() if row.given_out else value


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("peer, name", PAIRS)
def test_a_peer_agrees_with_the_package(peer: str, name: str) -> None:
    pytest.importorskip(MODULES.get(peer, peer))
    if peer in ("onnxruntime", "openvino"):
        pytest.importorskip("onnx")
    row = SMALL[name]
    difference = race.disagreement(_result("ours", row), _result(peer, row), row.tolerance, row.integer)
    assert difference is None


def test_names_are_unique_and_inputs_repeat() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    first, second = inputs(SMALL["unpool"]), inputs(SMALL["unpool"])
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert output_shape(SMALL["conv"]) == (1, 4, 10, 12)
    assert changed(SMALL["conv"], "other").name == "other/conv"
    assert not any(row.long for row in ROWS if int(np.prod(row.shape)) < 10**7)


def test_amounts_of_work() -> None:
    # Of two times three products two fall into the padding.
    row = Row("small", "t", "conv_transpose", (1, 5, 2), {"out": 7, "kernel": 3, "stride": 2, "padding": 1})
    assert output_shape(row) == (1, 7, 3)
    assert useful_products(row) == 5 * 7 * 4
    assert moved_bytes(SMALL["given"], inputs(SMALL["given"])) == 4 * 3 * (7 * 9 + 14 * 18)
    unpool = SMALL["given unpool"]
    assert moved_bytes(unpool, inputs(unpool)) == (4 + 8) * 48 + 4 * 192


def test_lengths_are_new_at_every_call() -> None:
    row = SMALL["lengths"]
    pair = lengthwise(row, inputs(row)["input"])
    seen = [x.shape for _ in range(299) for x in pair()]
    assert len(set(seen)) == len(seen)
    assert np.mean([shape[-1] for shape in seen]) == 320


def _contestant(seconds: float, now: list[float], enter: object = None) -> peers.Contestant:
    def call() -> None:
        now[0] += seconds

    return peers.Contestant(call, *([enter] if enter else []))


def test_contestants_take_turns_and_the_order_rotates() -> None:
    now, log = [0.0], []
    entered = {
        name: _contestant(seconds, now, lambda name=name: log.append(name))
        for name, seconds in (("ours", 0.25), ("torch", 0.5))
    }
    times = race.race(entered, 3, batch=1.0, budget=99, clock=lambda: now[0], sleep=lambda seconds: log.append("pause"))
    assert times == {"ours": [0.25] * 3, "torch": [0.5] * 3}
    turns = [name for name in log[2:] if name != "pause"]
    assert turns == ["ours", "torch", "torch", "ours", "ours", "torch"]
    assert log.count("pause") == 6


def test_slow_rows_get_fewer_rounds_and_slow_peers_their_trial_alone() -> None:
    now = [0.0]
    entered = {
        name: _contestant(seconds, now)
        for name, seconds in (("ours", 2.0), ("torch", 9.0), ("scipy", 9.0), ("opencv", 1.0))
    }
    times = race.race(entered, 9, clock=lambda: now[0], sleep=lambda seconds: None)
    assert {name: len(rounds) for name, rounds in times.items()} == {"ours": 2, "torch": 2, "scipy": 1, "opencv": 2}


def test_peers_are_not_measured_by_a_yardstick() -> None:
    """The multiply-add peak takes some milliseconds, whatever the row does."""
    now = [0.0]
    entered = {name: _contestant(seconds, now) for name, seconds in (("ours", 1.0), ("ncnn", 1.1), ("peak", 0.1))}
    times = race.race(entered, 3, stay=("ours", "peak"), budget=99, clock=lambda: now[0], sleep=lambda seconds: None)
    assert {name: len(rounds) for name, rounds in times.items()} == {"ours": 3, "ncnn": 3, "peak": 3}


def test_disagreement_is_reported() -> None:
    ones = np.ones(3)
    assert race.disagreement(ones, ones, 0.0, False) is None
    assert "shape" in str(race.disagreement(ones, np.ones(4), 1.0, False))
    assert "differs" in str(race.disagreement(ones, ones * np.nan, 1.0, False))


def test_a_failing_row_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Row("bad", "t", "interpolate", (1, 1, 2, 2), PICTURE, dtype="bfloat16")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    plan = run.Plan(peers=(), rounds=1, processes=1, batch=1e-6)
    worse = Row("worse", "t", "interpolate", (1, 1, 2, 2), {"mode": "unknown", "size": (3, 3)})
    run.work([bad, worse, SMALL["given"]], plan, 1, tmp_path / "part", exact=True)
    first, other, second = (json.loads(line) for line in (tmp_path / "part").read_text().splitlines())
    assert "ml_dtypes" in first["error"]
    assert other["error"].startswith("ValueError: mode must be")
    assert {"ours", "base", "copy", "fill", "fresh"} == second["rounds"].keys()
    assert report.failures([first, second]) == [f"bad 1t: {first['error']}"]


def test_a_worker_that_dies_is_continued_after_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, rows = tmp_path / "part", [SMALL["conv"], SMALL["pool"], SMALL["unpool"]]

    def worker(command: list[str], **_: object) -> subprocess.CompletedProcess:
        skip = int(command[-1])
        if skip != 1:
            done = {"row": rows[skip].name, "set": "t", "threads": 2, "rounds": {"ours": [1.0]}, "left_out": {}}
            part.write_text(json.dumps(done) + "\n")
        return subprocess.CompletedProcess(command, -11 if skip != 2 else 0)

    monkeypatch.setattr(run.subprocess, "run", worker)
    results = run.supervise(rows, 2, part, lambda turn, skip: [str(skip)], 2)
    assert [result.get("error") for result in results] == [None, "the process ended with -11", None]
    assert results[0]["rounds"]["ours"] == [1.0, 1.0]


def test_errors_are_measured_against_float64() -> None:
    row = SMALL["conv"]
    arrays = inputs(row)
    ours = _result("ours", row)
    errors = accuracy.errors(row, arrays, {"ours": ours, "torch": ours * np.float32(1.01)})
    assert 0 < errors["ours"][0] < 1e-6 < errors["torch"][0]
    assert 0 < accuracy.ratio(errors) < 0.01
    assert accuracy.errors(SMALL["interpolate"], arrays, {}) == {}


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_the_peak_loop_counts_what_it_does() -> None:
    for dtype, size in (("float32", 4), ("float64", 8)):
        assert peak.loop("baseline", dtype, 10)() == 10 * 12 * 16 / size
    contestant = yardsticks.build("peak", SMALL["conv"], {}, 2)
    assert contestant is not None
    assert contestant.work > 0


def _made_up(ratio: float, threads: int = 1) -> dict:
    times = {"ours": [1.0 / threads] * 3, "torch": [ratio / threads] * 3, "slow": [9 * ratio], "copy": [0.5] * 3}
    return {"row": f"a/{ratio}", "set": "a", "threads": threads, **report.summary(times)}


def test_report_of_made_up_results(tmp_path: Path) -> None:
    results = [_made_up(ratio, threads) for threads in (1, 2) for ratio in (2.0, 8.0)]
    assert results[0]["fastest"] == "torch"
    assert results[0]["ratio"] == results[0]["low"] == results[0]["torch"] == 2.0
    assert results[0]["copy"] == 0.5
    assert report.scaling(results) == {"a/2.0": 2.0, "a/8.0": 2.0}
    assert "mean   4.00" in report.sets(results)[0]
    assert "(a/2.0)" in report.sets(results)[0]
    assert "| a | 2 | torch | 4.00 | 2.00 | 4.00 | 2.00 | 4.00 | 4.00 | 2.00 |" in report.markdown(results)
    assert "| a/2.0 | 1000 | torch |" in report.table(results)
    assert any("share of a copy's speed" in line for line in report.measures(results))
    assert report.compare(results, results) == (4, [])
    assert report.disturbed(results) == []
    assert report.disturbed([{**results[0], "others": 0.5}])[0].startswith("1 of 1 measurements were disturbed")
    slower = [{**results[0], "ratio": 1.0, "low": 0.9, "high": 1.1}]
    assert len(report.compare(results, slower)[1]) == 1
    pytest.importorskip("matplotlib")
    plot.draw(results, tmp_path / "plot.png", "caption")
    assert (tmp_path / "plot.png").stat().st_size > 0

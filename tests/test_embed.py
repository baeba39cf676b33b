"""examples/embed: each is built against the installed package in a folder of its own, and does what Python does."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import upsampling as up

EXAMPLES = Path(__file__).parent.parent / "examples" / "embed"
PACKAGE = Path(up.__file__).parent
RNG = np.random.default_rng(0)
CODES = RNG.standard_normal((3, 16, 4, 5), dtype=np.float32)
WEIGHT = RNG.standard_normal((16, 2, 4, 4), dtype=np.float32)
BIAS = RNG.standard_normal(2, dtype=np.float32)
WANTED = np.maximum(up.conv_transpose2d(CODES, WEIGHT, BIAS, stride=2, padding=1), 0)
LOAD = "import numpy as np; a = np.load('arrays.npz'); codes, weight, bias = a['codes'], a['weight'], a['bias']; "

pytestmark = pytest.mark.skipif(os.environ.get("UPSAMPLING_SANITIZED") == "1", reason="compiles without sanitizers")


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None or sys.platform == "win32":
        pytest.skip(f"{name} is not installed, or not what builds for Python here")
    return found


def run(command: list[str], folder: Path, **options: object) -> subprocess.CompletedProcess:
    """Run a command beside a copy of an example, with the tested package and no other of its name to be found."""
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "PKG_CONFIG_PATH": str(PACKAGE / "pkgconfig")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, check=False, timeout=300, **options
    )  # type: ignore[call-overload]
    assert done.returncode == 0, (done.stdout + done.stderr).decode()[-4000:]
    return done


def copied(name: str, folder: Path) -> Path:
    to = folder / name
    shutil.copytree(EXAMPLES / name, to)
    np.savez(to / "arrays.npz", codes=CODES, weight=WEIGHT, bias=BIAS)
    return to


def result(folder: Path, code: str) -> np.ndarray:
    """What a fresh interpreter makes of the arrays with the module that was built."""
    run([sys.executable, "-c", LOAD + code + "; np.save('result', made)"], folder)
    return np.load(folder / "result.npy")


def test_cython_package(tmp_path):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools")
    tool("cc")
    folder = copied("cython_package", tmp_path)
    done = run([sys.executable, "setup.py", "build_ext", "--inplace"], folder)
    assert b"-I" + str(PACKAGE).encode() not in done.stdout  # no include path but Cython's own
    np.testing.assert_array_equal(result(folder, "import decoder; made = decoder.decode(codes, weight, bias)"), WANTED)


def test_c_extension(tmp_path):
    pytest.importorskip("setuptools")
    tool("cc")
    folder = copied("c_extension", tmp_path)
    run([sys.executable, "setup.py", "build_ext", "--inplace"], folder)
    code = "import decoder; made = np.empty((3, 2, 8, 10), 'f'); "
    code += "decoder.decode(codes, weight, bias, made, (3, 16, 2, 4, 5))"
    np.testing.assert_array_equal(result(folder, code), WANTED)


def test_cpp_module_by_cmake(tmp_path):
    pybind11 = pytest.importorskip("pybind11")
    cmake = tool("cmake")
    tool("c++")
    folder = copied("cpp_module", tmp_path)
    settings = {
        "upsampling_ROOT": PACKAGE,
        "pybind11_DIR": pybind11.get_cmake_dir(),
        "Python_EXECUTABLE": sys.executable,
        "PYTHON_EXECUTABLE": sys.executable,
        "CMAKE_BUILD_TYPE": "Release",
    }
    run([cmake, "-S", ".", "-B", "build", *(f"-D{name}={value}" for name, value in settings.items())], folder)
    run([cmake, "--build", "build"], folder)
    code = (
        "import sys; sys.path.insert(0, 'build'); import decoder; "
        "made = decoder.decode(np.asfortranarray(codes), weight[:, :, ::-1][:, :, ::-1], bias)"
    )
    np.testing.assert_array_equal(result(folder, code), WANTED)


def test_c_program(tmp_path):
    compiler, pkg_config = tool("cc"), tool("pkg-config")
    variables = sysconfig.get_config_vars()
    library = Path(variables["LIBDIR"])
    if not list(library.glob(f"libpython{variables['LDVERSION']}.*")):
        pytest.skip("this Python has no library to link with")
    folder = copied("c_program", tmp_path)
    flags = shlex.split(run([pkg_config, "--cflags", "upsampling"], folder).stdout.decode())
    run(
        [
            compiler, "decoder.c", "-o", "decoder", *flags, f"-I{sysconfig.get_paths()['include']}", f"-L{library}",
            f"-Wl,-rpath,{library}", f"-lpython{variables['LDVERSION']}", *variables["LIBS"].split(),
        ],
        folder,
    )  # fmt: skip
    given = b"".join(array.tobytes() for array in (CODES, WEIGHT, BIAS))
    paths = os.pathsep.join(filter(None, [str(PACKAGE.parent), *sys.path]))
    done = subprocess.run(
        ["./decoder", "3", "16", "2", "4", "5"], cwd=folder, input=given, capture_output=True, check=False,
        env=os.environ | {"PYTHONPATH": paths, "PYTHONHOME": sys.base_prefix}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.float32).reshape(WANTED.shape), WANTED)


def test_numba_script(tmp_path):
    pytest.importorskip("numba")
    shutil.copy(EXAMPLES / "numba_script.py", tmp_path)
    np.savez(tmp_path / "arrays.npz", codes=CODES, weight=WEIGHT, bias=BIAS)
    code = "import numba_script; made = numba_script.main(codes, weight, bias)"
    np.testing.assert_array_equal(result(tmp_path, code), WANTED)


def test_cffi_calls_by_address():
    cffi = pytest.importorskip("cffi")
    from upsampling import kernels

    ffi = cffi.FFI()
    execute = ffi.cast(
        "int(*)(void *, void *, void *, void *, void *, void *, size_t)", kernels.addresses["execute_plain"]
    )
    plan = kernels.plan("pixel_shuffle", channels=4, height=2, width=3, factor=2)
    x, y = np.arange(24, dtype=np.float32).reshape(1, 4, 2, 3), np.empty((1, 1, 4, 6), np.float32)
    null = ffi.NULL
    pointers = (ffi.cast("void *", number) for number in (plan.address, x.ctypes.data, y.ctypes.data))
    assert execute(*pointers, null, null, null, 0) == 0
    np.testing.assert_array_equal(y, up.pixel_shuffle(x, 2))


def test_versions_for_cmake_and_pkg_config_are_the_package_s():
    written = Path(__file__).parent.parent / "pyproject.toml"
    if not written.is_file():
        pytest.skip("the source folder is not there")
    version = re.search(r'^version = "(.*)"', written.read_text(), re.MULTILINE)
    assert version is not None
    assert f'"{version[1]}"' in (PACKAGE / "cmake/upsampling-config-version.cmake").read_text()
    assert f"Version: {version[1]}\n" in (PACKAGE / "pkgconfig/upsampling.pc").read_text()

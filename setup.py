"""Build the compiled kernels: every source in pyx/, once for each instruction set and precision.

A variant is a one-line .pyx, written below build/, that includes the kernel's source; the compiler's
flags choose the instruction set and a macro chooses the precision (see pyx/simd.h).

Switches, read from the environment (remove build/ when you change one):

UPSAMPLING_OPENMP=0       build without OpenMP (one thread), as on Windows always
UPSAMPLING_BOUNDSCHECK=1  check every memoryview index (slow; for tests)
UPSAMPLING_SANITIZE=1     build with AddressSanitizer and UndefinedBehaviorSanitizer (for tests); =thread: with
                          ThreadSanitizer; =fuzzer: as 1, for libFuzzer (Clang)
UPSAMPLING_WERROR=1       make warnings of Cython and of the C compiler errors
UPSAMPLING_BUILD_ISAS     a comma-separated part of the instruction sets below (for quick test builds)
UPSAMPLING_BUILD_JOBS     how many translators and compilers run at once (default: the number of processors)
"""

import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from pathlib import Path

import Cython.Compiler.Options
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

KERNELS = {
    "dense": ("f32", "f64", "i64"),
    "outer": ("f32", "f64"),
    "plain": ("f32", "f64"),
    "halves": ("f32",),
    "resample": ("f32", "f64"),
    "fixed": ("u8", "u16"),
    "pool": ("f32", "f64", "i64"),
    "move": ("bytes",),
    "gather": ("bytes",),
}
INCLUDED = {"door": ("pyx/program.pyx", "pyx/problems.pyx")}
AVX2 = ["-mavx2", "-mfma", "-mf16c"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
# What is built for, which is not always what builds (a cross compiler, macOS's "universal2" with both: no x86 alone).
X86 = sysconfig.get_platform().lower().endswith(("x86_64", "amd64"))
ISAS = {"baseline": [], "avx2": AVX2, "avx512": AVX512} if X86 else {"baseline": []}
# A second build of some kernels for avx512, for processors that have these instructions too (Ice Lake, Zen 4).
BYTEWISE = {"fixed": [*AVX512, "-mavx512vnni", "-mavx512vbmi"]}
# No fast-math: NaN, infinities, signed zeros and the order of additions are part of the results.
# Contraction is on because a fused multiply-add is the more exact of the two.
CFLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fvisibility=hidden", "-g0"]
# For modules whose time goes by in others' loops: a tenth less of them.
SMALL = ["-O2"]
# For some processors, and from version 13 on for all, GCC leaves a product and a sum apart where sums wait for one
# another, in one kernel's loop and not in another's: it is told not to, for they have the same bits. Clang never does.
FUSED = ["--param=avoid-fma-max-bits=0"]
# Loops in which time goes by are written in vectors; made of the others as well, these are a tenth of dense's modules.
# Products of integers are slow enough for nothing to show; layers of float32 took 0.99 to 1.09 times as long.
FEW_VECTORS = ["-fvect-cost-model=very-cheap"]
# Conditions that matter are constants. A fortieth of the modules of dense and resample; 27 layers and 16 resizings take
# as long (0.997 and 1.001 in the mean).
UNSPLIT = ["-fno-unswitch-loops"]
# Names of what is inside take a tenth of a wheel. What sanitizers report needs them.
STRIPPED = ["-Wl,--strip-all"] if sys.platform == "linux" else []
if sys.platform == "linux":  # without stubs for calls of Python's functions: 0.7 KB less of a wheel for each module
    CFLAGS.append("-fno-plt")
OPENMP = ["-fopenmp"]
# What Cython's own boilerplate would be warned of.
GENERATED = [
    "-Wno-unused-parameter",
    "-Wno-unused-function",
    "-Wno-missing-field-initializers",
    "-Wno-cast-function-type",
]
WINDOWS = sys.platform == "win32"
NEEDS = "needs clang-cl of LLVM 12 or newer" if WINDOWS else "needs GCC 9 or newer, or Clang 12 or newer"
FOLDER = Path("build", "pyx")
SHARED = "upsampling._kernels._shared"
SHARED_SOURCE = FOLDER / "_shared.c"
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "freethreading_compatible": True,
}

if os.environ.get("UPSAMPLING_BOUNDSCHECK") == "1":
    DIRECTIVES |= {"boundscheck": True, "initializedcheck": True}
MEMORY = "address,undefined,float-cast-overflow"
SANITIZED = {"1": MEMORY, "thread": "thread", "fuzzer": f"fuzzer-no-link,{MEMORY}"}.get(
    os.environ.get("UPSAMPLING_SANITIZE", "0")
)
SANITIZERS = []
if SANITIZED:
    SANITIZERS = [f"-fsanitize={SANITIZED}", "-fno-sanitize-recover=all"]
    if "fuzzer" in SANITIZED:  # Clang's takes NULL + 0, which Cython writes, for an overflow
        SANITIZERS.append("-fno-sanitize=pointer-overflow")
    # Less optimised, more of what the sources do is left to be looked at; and it builds in half the time.
    CFLAGS += ["-O1", "-g1", "-fno-omit-frame-pointer", *SANITIZERS]
elif sys.platform == "linux":  # tables of how to leave functions, of which none throws, take a fortieth of a wheel
    CFLAGS.append("-fno-asynchronous-unwind-tables")
if os.environ.get("UPSAMPLING_WERROR") == "1":
    Cython.Compiler.Options.warning_errors = True
    CFLAGS += ["-Wall", "-Wextra", "-Werror", *GENERATED]
if chosen := os.environ.get("UPSAMPLING_BUILD_ISAS"):
    if not {"baseline"} <= set(chosen.split(",")) <= set(ISAS):
        sys.exit(f"UPSAMPLING_BUILD_ISAS must name baseline, and no others than {', '.join(ISAS)}; it is {chosen!r}")
    ISAS = {name: flags for name, flags in ISAS.items() if name in chosen.split(",")}


def bytewise(kernel):
    """Return the name and the flags of a kernel's second build for avx512, if there is one, in a list."""
    return [("bytewise", BYTEWISE[kernel])] if "avx512" in ISAS and kernel in BYTEWISE else []


def passed(flags):
    """Return Clang's flags as clang-cl passes them on."""
    return [f"/clang:{flag}" for flag in flags] if WINDOWS else flags


def extensions():
    """Write the one-line variants and return their Extensions."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = []
    shared = [
        path
        for place in ("pyx", "upsampling", "upsampling/_kernels", "upsampling/include")
        for path in sorted(Path(place).iterdir())
    ]
    shared = [str(path) for path in shared if path.suffix in (".h", ".pxd")]
    variants = [
        (f"upsampling._kernels.{kernel}_{precision}_{isa}", kernel, [(f"PRECISION_{precision.upper()}", None)], flags)
        for kernel, precisions in KERNELS.items()
        for precision in precisions
        for isa, flags in [*ISAS.items(), *bytewise(kernel)]
    ]
    about = [("BUILD_FLAGS", '"' + " ".join(CFLAGS) + '"')]
    others = [
        ("upsampling._kernels.cpu", "processor", about, []),
        ("upsampling._kernels.calls", "perform", [], []),
        ("upsampling._kernels.memory", "kept", [], []),
        ("upsampling.kernels", "door", [], []),
        ("upsampling._repeat", "repeat", [], []),
    ]
    for name, kernel, macros, flags in [*variants, *others]:
        stub = FOLDER / f"{name.rpartition('.')[2]}.pyx"
        # Kernels need no signatures to be looked at; without, each is 1.5 KB less of a wheel.
        text = ("# cython: binding=False\n" if "._kernels." in name else "") + f'include "{kernel}.pyx"\n'
        if not stub.exists() or stub.read_text() != text:
            stub.write_text(text)
        found.append(
            Extension(
                name,
                [str(stub)],
                include_dirs=["pyx", "upsampling/include"],
                define_macros=macros,
                extra_compile_args=[*CFLAGS, *flags, *(SMALL if kernel not in (*KERNELS, "door") else [])],
                extra_link_args=[*(SANITIZERS or STRIPPED)],
                depends=["setup.py", *shared, f"pyx/{kernel}.pyx", *INCLUDED.get(kernel, ())],
            )
        )
    options = {"extra_compile_args": ["-O2", "-g0"], "extra_link_args": [*STRIPPED]}
    return [*found, Extension(SHARED, [str(SHARED_SOURCE)], **options)]


def translators(most):
    """Return how many processes translate; 0: this one.

    Elsewhere than on Linux they would begin with this file, or without what it has set; and some containers have no
    memory that processes share.
    """
    if sys.platform != "linux" or most < 2:
        return 0
    multiprocessing.set_start_method("fork", force=True)
    try:
        multiprocessing.Lock()
    except (ImportError, OSError):
        return 0
    return most


class Build(build):
    """Build with the kernels first, so that pip shows little else when the compiler cannot."""

    sub_commands = sorted(build.sub_commands, key=lambda command: command[0] != "build_ext")


class BuildKernels(build_ext):
    """build_ext that translates the kernels, and says in one line what is wrong with the compiler."""

    def build_extensions(self):
        """Check the compiler before anything else, then build."""
        if WINDOWS:
            self.take_clang()
        self.require("typedef float v __attribute__((vector_size(16))); v f(v a) { return a; }", [], NEEDS)
        self.require("#include <Python.h>\n", [f"-I{path}" for path in self.include_dirs], "needs Python's C headers")
        for isa, flags in ISAS.items():
            self.require("int f(void) { return 0; }", flags, f"{NEEDS}; this one is too old for {isa}")
        fused, few, unsplit = map(self.known, (FUSED, FEW_VECTORS, UNSPLIT))
        # As in wheels for macOS: a second OpenMP runtime beside PyTorch's would end processes.
        openmp = [] if WINDOWS or os.environ.get("UPSAMPLING_OPENMP") == "0" else OPENMP
        if openmp and self.problem("#include <omp.h>\nint f(void) { return omp_get_max_threads(); }", openmp):
            openmp = []
        if not openmp:
            # As a warning, for pip shows those alone.
            bar = "*" * 72
            text = "upsampling: building WITHOUT OpenMP: every call will use one thread"
            warnings.warn(f"\n{bar}\n{text}\n{bar}", stacklevel=1)
        self.parallel = int(os.environ.get("UPSAMPLING_BUILD_JOBS") or os.cpu_count() or 1)
        self.translate()
        for extension in self.extensions:
            smaller = unsplit if re.search(r"_kernels\.(dense|resample)_", extension.name) else []
            smaller = [*smaller, *few] if "._kernels.dense_i64" in extension.name else smaller
            extension.extra_compile_args = passed([*extension.extra_compile_args, *fused, *smaller, *openmp])
            extension.extra_link_args += openmp
        super().build_extensions()

    def known(self, flags):
        """Return the flags if the compiler knows them: GCC, of some versions."""
        return [] if WINDOWS or self.problem("int f(void) { return 0; }", [*flags, "-Werror"]) else flags

    def take_clang(self):
        """Compile by clang-cl in MSVC's place, which has no vector types and no atomic builtins; its linker stays."""
        if not self.compiler.initialized:
            self.compiler.initialize(self.plat_name)
        name = os.environ.get("CC", "clang-cl")
        self.compiler.cc = shutil.which(name) or name
        self.compiler.compile_options = ["/nologo", "/DNDEBUG", "/MD"]

    def translate(self):
        """Make C of the variants, and of what Cython's own code has in common in all of them."""
        if not SHARED_SOURCE.exists():
            subprocess.run([sys.executable, "-m", "cython", f"--generate-shared={SHARED_SOURCE}"], check=True)
        done = cythonize(
            self.extensions,
            nthreads=translators(self.parallel),
            include_path=["pyx", "."],
            compiler_directives=DIRECTIVES,
            shared_utility_qualified_name=SHARED,
            quiet=True,
        )
        sources = {extension.name: extension.sources for extension in done}
        for extension in self.extensions:
            extension.sources = sources[extension.name]

    def require(self, source, flags, message):
        """End with one line if the compiler does not compile and link `source`."""
        if problem := self.problem(source, flags):
            sys.exit(f"upsampling: {message}: {problem}")

    def problem(self, source, flags):
        """Compile and link `source` (on Windows, compile); return the compiler's first complaint if that fails."""
        compiler = self.compiler
        command = [compiler.cc, "/c"] if WINDOWS else [*compiler.linker_so, *compiler.compiler_so[1:]]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "probe.c")
            path.write_text(source)
            try:
                command += [*passed(flags), str(path), "-o", f"{folder}/probe.so"]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except OSError as error:
                return f"CC is {command[0]}: {error.strerror}"
        if not done.returncode:
            return ""
        lines = (done.stdout + done.stderr).strip().splitlines() or [f"exit code {done.returncode}"]
        return f"CC is {command[0]}: {next((line for line in lines if 'error' in line), lines[-1])}"


def main():
    """Hand the variants to setuptools; a source distribution holds what they are made of."""
    only_named = {"clean", "egg_info", "sdist", "--version", "--name"} & set(sys.argv[1:2])
    setup(ext_modules=[] if only_named else extensions(), cmdclass={"build": Build, "build_ext": BuildKernels})


main()

"""Build the compiled kernels: every source in pyx/, once for each instruction set and precision.

A variant is a one-line .pyx, written below build/, that includes the kernel's source; the compiler's
flags choose the instruction set and a macro chooses the precision (see pyx/simd.h).

Switches, read from the environment:

UPSAMPLING_OPENMP=0       build without OpenMP (one thread)
UPSAMPLING_BOUNDSCHECK=1  check every memoryview index (slow; for tests)
UPSAMPLING_WERROR=1       make warnings of Cython and of the C compiler errors
UPSAMPLING_BUILD_ISAS     a comma-separated part of the instruction sets below (for quick test builds)
UPSAMPLING_BUILD_JOBS     how many compilers run at once (default: the number of processors)
"""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import Cython.Compiler.Options
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = {
    "dense": ("f32", "f64", "i64"),
    "outer": ("f32", "f64"),
    "resample": ("f32", "f64"),
    "fixed": ("u8", "u16"),
    "pool": ("f32", "f64", "i64"),
    "move": ("bytes",),
    "gather": ("bytes",),
}
AVX2 = ["-mavx2", "-mfma", "-mf16c"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"]
X86 = platform.machine().lower() in ("x86_64", "amd64")
ISAS = {"baseline": [], "avx2": AVX2, "avx512": AVX512} if X86 else {"baseline": []}
# No fast-math: NaN, infinities, signed zeros and the order of additions are part of the results.
# Contraction is on because a fused multiply-add is the more exact of the two.
CFLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fvisibility=hidden", "-g0"]
OPENMP = ["-fopenmp"]
# What Cython's own boilerplate would be warned of.
GENERATED = [
    "-Wno-unused-parameter",
    "-Wno-unused-function",
    "-Wno-missing-field-initializers",
    "-Wno-cast-function-type",
]
SHARED = "upsampling._kernels._shared"
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
if os.environ.get("UPSAMPLING_WERROR") == "1":
    Cython.Compiler.Options.warning_errors = True
    CFLAGS += ["-Wall", "-Wextra", "-Werror", *GENERATED]
if chosen := os.environ.get("UPSAMPLING_BUILD_ISAS"):
    ISAS = {name: ISAS[name] for name in chosen.split(",")}


def extensions(folder):
    """Write the one-line variants into `folder` and return their Extensions."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    shared = [path for place in ("pyx", "upsampling", "upsampling/include") for path in sorted(Path(place).iterdir())]
    shared = [str(path) for path in shared if path.suffix in (".h", ".pxd")]
    variants = [
        (f"upsampling._kernels.{kernel}_{precision}_{isa}", kernel, [(f"PRECISION_{precision.upper()}", None)], flags)
        for kernel, precisions in KERNELS.items()
        for precision in precisions
        for isa, flags in ISAS.items()
    ]
    about = [("BUILD_FLAGS", '"' + " ".join(CFLAGS) + '"')]
    others = [("upsampling._kernels.cpu", "processor", about, []), ("upsampling.kernels", "door", [], [])]
    for name, kernel, macros, flags in [*variants, *others]:
        stub = folder / f"{name.rpartition('.')[2]}.pyx"
        text = f'include "{kernel}.pyx"\n'
        if not stub.exists() or stub.read_text() != text:
            stub.write_text(text)
        found.append(
            Extension(
                name,
                [str(stub)],
                include_dirs=["pyx", "upsampling/include"],
                define_macros=macros,
                extra_compile_args=[*CFLAGS, *flags],
                depends=["setup.py", *shared, f"pyx/{kernel}.pyx"],
            )
        )
    return found


class BuildKernels(build_ext):
    """build_ext that says in one line what is wrong with the compiler, and how it treats OpenMP."""

    def build_extensions(self):
        """Check the compiler, then build."""
        problem = self.problem("typedef float v __attribute__((vector_size(16))); v f(v a) { return a; }", [])
        if problem:
            sys.exit(f"upsampling: needs a C compiler with vector types (GCC >= 9 or Clang >= 12): {problem}")
        for isa, flags in ISAS.items():
            if problem := self.problem("int f(void) { return 0; }", flags):
                sys.exit(f"upsampling: the compiler is too old for {isa}: {problem}")
        openmp = OPENMP if os.environ.get("UPSAMPLING_OPENMP") != "0" else []
        if openmp and self.problem("#include <omp.h>\nint f(void) { return omp_get_max_threads(); }", openmp):
            openmp = []
        if not openmp:
            bar = "*" * 72
            print(f"{bar}\nupsampling: building WITHOUT OpenMP: every call will use one thread\n{bar}", file=sys.stderr)
        for extension in self.extensions:
            extension.extra_compile_args += openmp
            extension.extra_link_args += openmp
        self.parallel = int(os.environ.get("UPSAMPLING_BUILD_JOBS") or os.cpu_count() or 1)
        super().build_extensions()

    def problem(self, source, flags):
        """Compile and link `source`; return the compiler's last line if that fails."""
        command = [*self.compiler.linker_so, *self.compiler.compiler_so[1:], *flags]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "probe.c")
            path.write_text(source)
            try:
                done = subprocess.run(
                    [*command, str(path), "-o", f"{folder}/probe.so"], capture_output=True, text=True, check=False
                )
            except OSError as error:
                return str(error)
        return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1] if done.returncode else ""


def main():
    """Translate the sources and hand them to setuptools."""
    folder = Path("build", "pyx")
    modules = []
    if not {"clean", "egg_info", "sdist", "--version", "--name"} & set(sys.argv[1:2]):
        modules = extensions(folder)
        shared = folder / "_shared.c"
        if not shared.exists():
            subprocess.run([sys.executable, "-m", "cython", f"--generate-shared={shared}"], check=True)
        modules = cythonize(
            modules,
            include_path=["pyx", "."],
            compiler_directives=DIRECTIVES,
            shared_utility_qualified_name=SHARED,
            nthreads=0,
        )
        modules.append(Extension(SHARED, [str(shared)], extra_compile_args=["-O2", "-g0"]))
    setup(ext_modules=modules, cmdclass={"build_ext": BuildKernels})


main()

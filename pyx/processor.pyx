"""What the processor and this build offer: asked once, at import."""

cdef extern from *:
    """
    #if defined(__x86_64__) || defined(_M_X64)
    #include <cpuid.h>
    /* __builtin_cpu_supports also asks whether the operating system saves the registers; older compilers do not know
     * "f16c" there. */
    static int has_f16c(void) {
        unsigned a, b, c, d;
        return __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
    }
    static int has_avx2(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    }
    static int has_avx512(void) {
        return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    }
    static int has_bytewise(void) {
        return has_avx512() && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
    }
    #else
    static int has_bytewise(void) { return 0; }
    static int has_avx2(void) { return 0; }
    static int has_avx512(void) { return 0; }
    #endif
    #if defined(_OPENMP)
    #include <omp.h>
    #define OPENMP_DATE _OPENMP
    #else
    #define OPENMP_DATE 0
    static int omp_get_max_threads(void) { return 1; }
    #endif
    #if defined(__clang__)
    #define COMPILER "Clang " __clang_version__
    #else
    #define COMPILER "GCC " __VERSION__
    #endif
    """
    bint has_avx2() nogil
    bint has_avx512() nogil
    bint has_bytewise() nogil
    int omp_get_max_threads() nogil
    const int OPENMP_DATE
    const char* COMPILER
    const char* BUILD_FLAGS


def supported():
    """The instruction sets that this processor can run, the best one last."""
    return ("baseline",) + (("avx2",) if has_avx2() else ()) + (("avx512",) if has_avx512() else ())


def bytewise():
    """Whether it has the instructions of the second build that some kernels have for avx512."""
    return has_bytewise()


def openmp():
    """The date (yyyymm) of the OpenMP specification that the build follows; 0 without OpenMP."""
    return OPENMP_DATE


def compiler():
    """The compiler that built the kernels."""
    return COMPILER.decode()


def flags():
    """The optimisation flags that every kernel was compiled with, instruction sets aside."""
    return BUILD_FLAGS.decode()


def max_threads():
    """OpenMP's own limit for the calling thread, which threadpoolctl and omp_set_num_threads change."""
    return omp_get_max_threads()

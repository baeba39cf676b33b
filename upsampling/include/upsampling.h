/* upsampling.h: kernels of the Python package `upsampling` for C and C++, called without the GIL.
 *
 *     const upsampling_api *up = upsampling_import();      (with the GIL, once; NULL and a Python exception on failure)
 *     int status = up->max_unpool(values, indices, out, planes, count, plane_size, sizeof(float), 1);
 *     if (status != UPSAMPLING_OK) puts(up->status_message(status));
 *
 * Arrays are contiguous: `planes` planes one after the other. num_threads is at least 1. The table begins with the ABI
 * number and its own size; fields are only ever appended, so a program compiled with an older header keeps working.
 */
#ifndef UPSAMPLING_H
#define UPSAMPLING_H

#include <Python.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UPSAMPLING_ABI 1

enum {
    UPSAMPLING_OK = 0,
    UPSAMPLING_BAD_INDEX = 1,
    UPSAMPLING_NO_MEMORY = 2,
    UPSAMPLING_BAD_ARGUMENT = 3
};

typedef struct upsampling_api {
    int abi;     /* UPSAMPLING_ABI of the package that is installed */
    size_t size; /* of this structure in that package */

    /* What a status says, in words. */
    const char *(*status_message)(int status);

    /* out (planes, plane_size) = 0, then out[indices[i]] = values[i] in ascending i, for items of any type:
     * values and indices are (planes, count). Indices are checked before anything is written. */
    int (*max_unpool)(const void *values, const long long *indices, void *out, Py_ssize_t planes, Py_ssize_t count,
                      Py_ssize_t plane_size, Py_ssize_t item_size, int num_threads);

    /* grad_input[i] = grad_output[indices[i]] for the last i of each index, zero for the others. */
    int (*max_unpool_backward)(const void *grad_output, const long long *indices, void *grad_input,
                               Py_ssize_t planes, Py_ssize_t count, Py_ssize_t plane_size, Py_ssize_t item_size,
                               int num_threads);
} upsampling_api;

#ifndef UPSAMPLING_PROVIDER
/* Import the package and return its table; call it with the GIL. NULL, with a Python exception, on failure. */
static inline const upsampling_api *upsampling_import(void) {
    const upsampling_api *api;
    PyObject *module = PyImport_ImportModule("upsampling.kernels");
    if (module == NULL) {
        return NULL;
    }
    Py_DECREF(module);
    api = (const upsampling_api *)PyCapsule_Import("upsampling.kernels._C_API", 0);
    if (api != NULL && (api->abi != UPSAMPLING_ABI || api->size < sizeof(upsampling_api))) {
        PyErr_Format(PyExc_ImportError,
                     "the installed upsampling has ABI %d with a table of %zu bytes; this program was compiled for "
                     "ABI %d with %zu bytes: install a newer upsampling or compile the program again",
                     api->abi, api->size, UPSAMPLING_ABI, sizeof(upsampling_api));
        return NULL;
    }
    return api;
}
#endif

#ifdef __cplusplus
}
#endif

#endif

/* A decoder's step as a C extension: codes are doubled in size by a transposed convolution, and what is negative becomes
 * zero. decode(codes, weight, bias, pictures, shape): float32 buffers in C order; shape is (N, C, M, H, W). */
#include "upsampling.h"

static const upsampling_api *up;

static int run(const float *codes, const float *weight, const float *bias, float *pictures, const Py_ssize_t *shape) {
    upsampling_conv_transpose problem = UPSAMPLING_CONV_TRANSPOSE_INIT;
    upsampling_array arrays[] = {{(void *)codes, NULL, NULL}, {pictures, NULL, NULL}};
    upsampling_plan *plan = NULL;
    int status, i;
    problem.batch = shape[0], problem.in_channels = shape[1], problem.out_channels = shape[2];
    for (i = 0; i < 2; i++) {
        problem.input[i] = shape[3 + i], problem.kernel[i] = 4, problem.stride[i] = 2, problem.padding[i] = 1;
    }
    problem.weight = weight, problem.bias = bias; /* the plan keeps them */
    status = up->plan_conv_transpose(&problem, UPSAMPLING_FORWARD, &plan);
    if (status == UPSAMPLING_OK) {
        Py_BEGIN_ALLOW_THREADS
        status = up->execute(plan, arrays, 2, NULL, 0, NULL);
        for (Py_ssize_t n = 4 * shape[0] * shape[2] * shape[3] * shape[4]; n--; pictures++) {
            *pictures = *pictures > 0 ? *pictures : 0;
        }
        Py_END_ALLOW_THREADS
        up->free_plan(plan);
    }
    return status;
}

static PyObject *decode(PyObject *self, PyObject *args) {
    Py_buffer codes, weight, bias, pictures;
    Py_ssize_t s[5];
    int status;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*w*(nnnnn)", &codes, &weight, &bias, &pictures, s, s + 1, s + 2, s + 3, s + 4)) {
        return NULL;
    }
    status = run(codes.buf, weight.buf, bias.buf, pictures.buf, s);
    PyBuffer_Release(&codes);
    PyBuffer_Release(&weight);
    PyBuffer_Release(&bias);
    PyBuffer_Release(&pictures);
    if (status) {
        return PyErr_Format(PyExc_ValueError, "%s: %s", up->status_message(status), up->last_error());
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"decode", decode, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "decoder", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_decoder(void) {
    up = upsampling_import();
    return up == NULL ? NULL : PyModule_Create(&module);
}

"""A decoder's step in Cython: codes are doubled in size by a transposed convolution, and what is negative becomes zero."""

import numpy as np

cimport upsampling as up


def decode(float[:, :, :, ::1] codes, float[:, :, :, ::1] weight, float[::1] bias):
    """Return (N, M, 2 H, 2 W) pictures for codes (N, C, H, W) and a weight (C, M, 4, 4)."""
    cdef up.ConvTranspose problem = up.conv_transpose_problem()
    cdef up.Plan* plan = NULL
    cdef float[:, :, :, ::1] pictures
    cdef float* pixel
    cdef Py_ssize_t i
    cdef int status
    problem.batch, problem.in_channels, problem.out_channels = codes.shape[0], codes.shape[1], weight.shape[1]
    for i in range(2):
        problem.input[i] = codes.shape[2 + i]
        problem.kernel[i], problem.stride[i], problem.padding[i] = 4, 2, 1
    if up.plan_conv_transpose(&problem, up.FORWARD, &plan):
        raise ValueError(up.last_error().decode())
    result = np.empty((codes.shape[0], weight.shape[1], 2 * codes.shape[2], 2 * codes.shape[3]), np.float32)
    pictures = result
    with nogil:
        pixel = &pictures[0, 0, 0, 0]
        status = up.execute_plain(plan, &codes[0, 0, 0, 0], &weight[0, 0, 0, 0], &bias[0], pixel, NULL, 0)
        for i in range(pictures.shape[0] * pictures.shape[1] * pictures.shape[2] * pictures.shape[3]):
            pixel[i] = max(pixel[i], 0)
    up.free_plan(plan)
    if status:
        raise RuntimeError(up.status_message(status).decode())
    return result

/* A C program that starts Python, takes the table, and lets Python be: decoder N C M H W < codes, weight, bias > pictures
 * (float32). cc decoder.c $(pkg-config --cflags upsampling) $(python3-config --includes --embed --ldflags) */
#include "upsampling.h"

int main(int argc, char **argv) {
    upsampling_conv_transpose problem = UPSAMPLING_CONV_TRANSPOSE_INIT;
    upsampling_plan *plan = NULL;
    const upsampling_api *up;
    float *codes, *weight, *bias, *pictures;
    size_t size[4] = {1, 1, 1, 1};
    int i, status;
    if (argc != 6) return 2;
    problem.batch = atoi(argv[1]), problem.in_channels = atoi(argv[2]), problem.out_channels = atoi(argv[3]);
    for (i = 0; i < 2; i++) {
        problem.input[i] = atoi(argv[4 + i]), problem.kernel[i] = 4, problem.stride[i] = 2, problem.padding[i] = 1;
    }
    size[0] = problem.batch * problem.in_channels * problem.input[0] * problem.input[1];
    size[1] = problem.in_channels * problem.out_channels * 16, size[2] = problem.out_channels;
    size[3] = problem.batch * problem.out_channels * problem.input[0] * problem.input[1] * 4;
    codes = malloc(4 * size[0]), weight = malloc(4 * size[1]), bias = malloc(4 * size[2]), pictures = malloc(4 * size[3]);
    if (fread(codes, 4, size[0], stdin) + fread(weight, 4, size[1], stdin) + fread(bias, 4, size[2], stdin) !=
        size[0] + size[1] + size[2]) return 2;

    Py_Initialize();
    if ((up = upsampling_import()) == NULL) return PyErr_Print(), 1;
    if (up->plan_conv_transpose(&problem, UPSAMPLING_FORWARD, &plan)) return fputs(up->last_error(), stderr), 1;
    PyEval_SaveThread(); /* from here on Python is not needed: executions may be in any thread */

    status = up->execute_plain(plan, codes, weight, bias, pictures, NULL, 0);
    for (i = 0; (size_t)i < size[3]; i++) pictures[i] = pictures[i] > 0 ? pictures[i] : 0;
    if (status) fputs(up->status_message(status), stderr);
    return status || fwrite(pictures, 4, size[3], stdout) != size[3];
}

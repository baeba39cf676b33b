// A decoder's step in C++ with pybind11: codes are doubled in size by a transposed convolution, and what is negative
// becomes zero. NumPy's own shapes and strides are handed on, so that arrays of any strides are accepted.
#include <algorithm>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <upsampling.h>

namespace py = pybind11;
using array = py::array_t<float>;

static const upsampling_api *up;

static upsampling_array view(const array &a) { return {const_cast<float *>(a.data()), a.shape(), a.strides()}; }

static array decode(const array &codes, const array &weight, const array &bias) {
    upsampling_conv_transpose problem = UPSAMPLING_CONV_TRANSPOSE_INIT;
    problem.batch = codes.shape(0), problem.in_channels = codes.shape(1), problem.out_channels = weight.shape(1);
    for (int i = 0; i < 2; i++) {
        problem.input[i] = codes.shape(2 + i), problem.kernel[i] = 4, problem.stride[i] = 2, problem.padding[i] = 1;
    }
    upsampling_plan *plan = nullptr;
    if (up->plan_conv_transpose(&problem, UPSAMPLING_FORWARD, &plan)) throw py::value_error(up->last_error());
    array pictures({codes.shape(0), weight.shape(1), 2 * codes.shape(2), 2 * codes.shape(3)});
    const upsampling_array arrays[] = {view(codes), view(weight), view(bias), view(pictures)};
    float *pixels = pictures.mutable_data();
    int status;
    {
        py::gil_scoped_release release;
        status = up->execute(plan, arrays, 4, nullptr, 0, nullptr);
        std::transform(pixels, pixels + pictures.size(), pixels, [](float v) { return std::max(v, 0.0f); });
    }
    up->free_plan(plan);
    if (status) throw py::value_error(up->status_message(status));
    return pictures;
}

PYBIND11_MODULE(decoder, module) {
    if (!(up = upsampling_import())) throw py::error_already_set();
    module.def("decode", decode);
}

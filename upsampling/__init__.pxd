# Marks the package for cimport; the declarations are in upsampling/kernels.pxd.

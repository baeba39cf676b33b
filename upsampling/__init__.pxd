# What compiled code may cimport from the package: see upsampling/kernels.pxd.
from upsampling.kernels cimport *

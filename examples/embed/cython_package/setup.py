"""Build: pip install . (or python setup.py build_ext --inplace), with upsampling and Cython installed."""

from Cython.Build import cythonize
from setuptools import Extension, setup

setup(name="decoder", ext_modules=cythonize([Extension("decoder", ["decoder.pyx"])], language_level=3))

"""Build: pip install . (or python setup.py build_ext --inplace), with upsampling installed."""

from setuptools import Extension, setup

import upsampling

setup(name="decoder", ext_modules=[Extension("decoder", ["decoder.c"], include_dirs=[upsampling.get_include()])])

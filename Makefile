# make demo   the main job on real photographs: makes a .venv, builds and installs the package as a wheel, runs the demo
# make test   the tests, in the same .venv
# The rest is for development. Tests and benchmarks import the installed wheel, not the source folder: pytest is called
# as a program and the benchmarks through a link, so that neither puts this folder at the head of Python's path.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SOURCES = $(shell find upsampling pyx -name '*.py' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h') setup.py pyproject.toml

.PHONY: demo test bench lint wheel wheels arm64 fuzz clean

demo: $(VENV)/.installed
	cd $(VENV) && bin/upsampling demo --output "$(CURDIR)/demo/contact-sheet.png"

test: $(VENV)/.tools-test
	UPSAMPLING_WHEEL="$$(ls $(CURDIR)/$(VENV)/wheel/*.whl)" $(BIN)/pytest $(PYTEST_ARGS)

bench: $(VENV)/.tools-bench
	mkdir -p $(VENV)/bench && ln -sfn "$(CURDIR)/benchmarks" $(VENV)/bench/benchmarks
	cd $(VENV)/bench && ../bin/python -m benchmarks $(BENCH_ARGS)

lint: $(VENV)/.tools-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint pyx upsampling  # it calls pycodestyle
	$(BIN)/mypy
	$(BIN)/mypy tests/typed.py
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor -q --offline .

wheel: $(VENV)/.ready
	$(BIN)/python -m pip wheel -q --no-deps -w dist .

wheels:
	.ci/wheels

arm64:
	.ci/arm64

fuzz:
	.ci/fuzz

clean:
	rm -rf build dist $(VENV) *.egg-info

$(VENV)/.ready:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -U pip
	touch $@

$(VENV)/.installed: $(VENV)/.ready $(SOURCES)
	rm -rf $(VENV)/wheel
	$(BIN)/python -m pip wheel -q --no-deps -w $(VENV)/wheel .
	$(BIN)/python -m pip install -q --force-reinstall --no-deps $(VENV)/wheel/*.whl
	$(BIN)/python -m pip install -q "upsampling[demo] @ file://$$(ls $(CURDIR)/$(VENV)/wheel/*.whl)"
	touch $@

$(VENV)/.tools-%: $(VENV)/.installed
	$(BIN)/python -m pip install -q "upsampling[$*] @ file://$$(ls $(CURDIR)/$(VENV)/wheel/*.whl)"
	touch $@

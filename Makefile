# Three commands on a fresh machine with Python 3.11 and make:
#   make demo     installs into .venv and makes pictures with the bundled models
#   make studio   installs into .venv and opens the studio in the browser
#   make test     installs into .venv and runs the tests (those that train: make test-training)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
MINUTES ?= 5
PROCESSES ?= 2
DEMO := demo
EXPLORER ?= build/site/html/explorer
W := .venv/bin/wspace
PYTEST = OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n $(PROCESSES) --dist loadfile
LEARNING := tests/training tests/inversion tests/bench

.PHONY: demo demo-train studio test test-training test-studio test-cpp check slow docs test-docs test-site explorer claims bench dist clean

.venv/.installed: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# Sheets, a mixing grid, a noise figure and a short walk from the bundled models.
demo: .venv/.installed
	$(W) generate avatars --seeds 0-31 --psi 0.7 --out $(DEMO)/pictures --grid $(DEMO)/sheet.png
	$(W) generate clothes --classes all --seeds 0-9 --psi 0.8 --grid $(DEMO)/clothes.png
	$(W) mix avatars --rows 1,2,3,4 --cols 5,6,7,8 --layers coarse --psi 0.7 --out $(DEMO)/mixing.png
	$(W) noise avatars --seed 3 --psi 0.7 --out $(DEMO)/noise
	$(W) interpolate avatars --seeds 1,2,3,1 --frames 72 --loop --psi 0.7 --out $(DEMO)/walk.mp4
	@echo "The pictures lie in $(DEMO)/: sheet.png, clothes.png, mixing.png, walk.mp4, noise/, pictures/"

# The studio with the bundled models, in the browser.
studio: .venv/.installed
	$(W) studio

# Draws 4,000 avatars, trains on them for MINUTES by the default command, shows what it has learned.
demo-train: .venv/.installed
	test -f $(DEMO)/avatars-32.zip || $(W) data avatars $(DEMO)/avatars-32.zip --count 4000 --size 32
	rm -rf $(DEMO)/runs
	$(W) train $(DEMO)/avatars-32.zip --minutes $(MINUTES) --out $(DEMO)/runs
	$(W) generate $(DEMO)/runs/00000-avatars-32-small --seeds 0-31 --psi 0.8 \
		--grid $(DEMO)/trained-sheet.png
	$(W) mix $(DEMO)/runs/00000-avatars-32-small --rows 1,2,3,4 --cols 5,6,7,8 --layers coarse \
		--psi 0.8 --out $(DEMO)/trained-mixing.png
	@echo "Trained: $(DEMO)/trained-sheet.png, $(DEMO)/trained-mixing.png,"
	@echo "the model and its sample sheets: $(DEMO)/runs/00000-avatars-32-small/"

test: .venv/.installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(PYTEST) $(addprefix --ignore=,$(LEARNING))

# The tests that train: runs, kills, processes, encoders, the benchmarks' small ones.
test-training: .venv/.installed
	$(PYTEST) $(LEARNING)

# The pages of studio and explorer in a browser. Needs chromium, and node with npm.
STUDIO_NODE := tests/studio/node_modules/.package-lock.json
$(STUDIO_NODE): tests/studio/package-lock.json
	cd tests/studio && npm ci --ignore-scripts --no-audit --no-fund --silent

test-studio: .venv/.installed $(STUDIO_NODE)
	.venv/bin/python -m pytest -m browser tests/studio tests/explorer

# The example in C++. Needs cmake, a compiler, and Debian's packages.
test-cpp: .venv/.installed
	tests/exporting/onnxruntime_release.sh build/onnxruntime .venv/bin/python
	ONNXRUNTIME_ROOT=$(CURDIR)/build/onnxruntime .venv/bin/python -m pytest tests/exporting/test_export_examples.py -k cpp

check: .venv/.installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

slow: .venv/.installed
	.venv/bin/python -m pytest -m slow

# The site, in build/site/html, with the explorer. Fails where a link or an anchor leads nowhere.
docs: .venv/.installed
	.venv/bin/python website/make_site.py
	$(MAKE) --no-print-directory explorer

# Runs what the documents show, where a comment above it says `run`; `run slowly` is for `make slow`.
test-docs: .venv/.installed
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m documents -n $(PROCESSES) tests/test_documents_in_use.py

# The site in a browser. Needs chromium.
test-site: docs
	.venv/bin/python -m pytest -m browser tests/test_website_page.py

# The explorer with both bundled models, beside the site.
explorer: .venv/.installed
	rm -rf $(EXPLORER)
	$(W) explorer avatars clothes --out $(EXPLORER)

# What of the article holds for the bundled models: pages in docs/claims.
claims: .venv/.installed
	.venv/bin/python benchmarks/claims.py --reports

bench: .venv/.installed
	$(W) bench

dist: .venv/.installed
	.venv/bin/python -m build --no-isolation

clean:
	rm -rf $(DEMO) dist build

# Two commands: `make book` and `make test`. The rest is for daily work.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: book slides site-check test fuzz lab clean refresh bench lint

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[book,dev]"
	@touch $@

# Run every chapter and build the site. `make book DATA=<folder>` runs them on CIFAR-10 or on your own images.
# RESNET_TUTORIAL_STATIC: a page has no kernel, so controls that need one give way to a table.
# The second command sets the same book on one page, to print or to search; slides come from the same run, too.
book: $(STAMP)
	@test -z "$(DATA)" || test -d "$(DATA)" || { echo "error: no data folder $(DATA): check DATA=" >&2; exit 1; }
	data="$(DATA)"; RESNET_TUTORIAL_STATIC=1 RESNET_TUTORIAL_DATA="$${data:+$$(cd "$$data" && pwd)}" PATH="$(CURDIR)/$(BIN):$$PATH" \
		$(BIN)/jupyter-book build . --all -W -n --keep-going
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter-book build . --builder singlehtml -W -n --keep-going
	cp _build/singlehtml/book/index.html _build/html/whole.html
	$(BIN)/python book/slides.py
	$(BIN)/python tests/book/check_site.py _build/html
	@echo
	@echo "The book is built. Open it in a browser: file://$(CURDIR)/_build/html/index.html"

# Set the chapters that `make book` ran as slides again, into _build/html/slides.
slides: $(STAMP)
	$(BIN)/python book/slides.py

# Open every page of the built book in headless Chromium, over http and from the folder.
site-check: $(STAMP)
	@test -d _build/html || { echo "error: no site in _build/html: run make book first" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --editable ".[site]"
	$(BIN)/python -m tests.book.browse_site _build/html

# Unit tests, and every chapter through nbval.
test: $(STAMP)
	RESNET_TUTORIAL_DATA= OMP_NUM_THREADS=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --numprocesses=auto

# Damage thousands of files of every kind and read them (minutes). FLAGS=--hypothesis-seed=7 draws others.
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/data/test_damaged.py tests/course/test_damaged.py \
		--hypothesis-profile=fuzz --hypothesis-show-statistics $(FLAGS)

lab: $(STAMP)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter lab book

# Run the chapters and store the outputs that the tests compare.
refresh: $(STAMP)
	RESNET_TUTORIAL_DATA= $(BIN)/python book/refresh.py

lint: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python benchmarks/batches.py
	$(BIN)/python -m benchmarks.training
	$(BIN)/python benchmarks/kill_and_resume.py

clean:
	rm -rf _build dist .pytest_cache .ruff_cache $(VENV)
	find . -name __pycache__ -prune -exec rm -rf {} +

# Run `make help` for what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: browser help app test test-all test-gpu check check-static fix bench fetch train-sr train-face

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

app: $(VENV)/app ## create the environment if needed and start the app
	$(BIN)/python app.py

test: $(VENV)/dev browser ## create the environment if needed and run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-all: $(VENV)/dev browser ## the slow tests too, and those that need a GPU where there is one
	$(BIN)/python -m pytest -m 'not network'

test-gpu: $(VENV)/dev ## what names CUDA, on a machine that has it: core, features, a pipeline
	$(BIN)/python -m pytest -m gpu -rs

check: check-static test ## format, lint, types, import contracts, tests: what CI runs

check-static: $(VENV)/dev ## all of them but the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

fix: $(VENV)/dev ## format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/app ## speed and memory: core, style transfer, patch similarity
	$(BIN)/python -m cxdemo bench core
	$(BIN)/python -m cxdemo bench match
	$(BIN)/python -m cxdemo bench style

fetch: $(VENV)/app ## pull VGG19, the papers' network, from the Hugging Face Hub
	$(BIN)/python -m cxdemo fetch vgg19

RUNS ?= outputs
TRAIN_SR = $(BIN)/accelerate launch -m cxdemo.training.super_resolution --photos "$(PHOTOS)"

train-sr: $(VENV)/dev ## train the upscalers on a folder: make train-sr PHOTOS=folder [RUNS=outputs]
	@test -d "$(PHOTOS)" || { echo "Name a folder of photos: make train-sr PHOTOS=folder"; exit 1; }
	$(TRAIN_SR) --phase mse --folder $(RUNS)/sr-mse
	$(TRAIN_SR) --phase cx --folder $(RUNS)/sr-cx --start $(RUNS)/sr-mse/best.safetensors
	$(TRAIN_SR) --phase cx-gan --folder $(RUNS)/sr-cx-gan --start $(RUNS)/sr-cx/best.safetensors

train-face: $(VENV)/dev ## a face translator from two folders: make train-face SOURCES=a TARGETS=b
	@test -d "$(SOURCES)" -a -d "$(TARGETS)" || \
	{ echo "Name two folders of square faces: make train-face SOURCES=folder TARGETS=folder"; exit 1; }
	$(BIN)/accelerate launch -m cxdemo.training.face --sources "$(SOURCES)" --targets "$(TARGETS)" \
	--folder $(RUNS)/face

browser: # for the end-to-end tests: the system's Chromium, installed where that is possible
	@command -v chromium >/dev/null || \
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	{ echo "The browser tests need Chromium: install the package 'chromium' and try again."; exit 1; }

$(VENV)/app: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/dev: requirements-dev.txt $(VENV)/app
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@

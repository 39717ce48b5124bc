# make demo: the whole job on phantoms.  make test: all checks.  make gpu: what the card gives.  make soak: restarts,
# for half an hour and more.  Each sets up .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test gpu soak setup

demo: $(VENV)/ready
	$(BIN)/python train.py --config configs/demo.yaml --run saved_output/demo
	$(BIN)/python predict.py --run saved_output/demo --samples-per-label 500

# One thread per worker: two OpenMP teams on the same cores wait for each other.
test: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

# What this machine's graphics card gives; without one: make gpu GPU=--cpu
gpu: $(VENV)/ready
	$(BIN)/python -m benchmarks.gpu $(GPU)

# Trainings that are killed and go on end as others do; memory and open files stay flat.
soak: $(VENV)/ready
	$(BIN)/python -m benchmarks.soak --kills 20 --minutes 30

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Python 3.11 to 3.13 is needed; this is %d.%d: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

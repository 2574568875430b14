# make demo and make test do all the set-up they need; everything lives in .venv and nothing is installed outside it but
# the Debian packages that .ci/system names.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.stamp
CORPUS ?= $(firstword $(wildcard ../shared/corpus/real) sample/original)
ROOMS := imaging manifests mirror release tagindex

.PHONY: help setup demo test soak lint fix docs check bench scale typing clean

help:  ## show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMP)  ## make .venv with everything the other targets need; quick when it is there

$(STAMP): pyproject.toml constraints.txt
	@.ci/system $(PYTHON)=python3 python3-venv minisign rsync unzip zstd
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tagswarm needs Python 3.11 or newer: make setup PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the pinned dependencies into .venv"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r constraints.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: setup  ## build, sign and verify a release of sample/ in demo-out/, then query, pull, repair and export it
	@demo/demo.sh

test: setup  ## run the tests
	@PATH="$$PATH:/usr/sbin" .ci/system aria2c=aria2 identify=imagemagick ip=iproute2 mktorrent nginx=nginx-light opentracker \
		qbittorrent-nox rtorrent script=bsdutils setpriv=util-linux transmission-create=transmission-cli transmission-daemon \
		transmission-remote=transmission-cli unshare=util-linux
	@$(BIN)/python -m pytest -q

soak: setup  ## the tests of torrents at full size: every kill, every round, every broken .torrent
	@$(BIN)/python -m pytest -q --kills 50 --rounds 20 --torrents 100000 tests/manifests tests/mirror

lint: setup typing  ## check style, types, the walls between the rooms and the generated documents
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@rm -rf .typing/imports && mkdir .typing/imports && cp -RL .typing/tagswarm .typing/imports/tagswarm
	@cd .typing/imports && ../../$(BIN)/lint-imports --no-logo --no-cache --config ../../pyproject.toml
	@$(BIN)/python docs/generate.py --check

fix: setup  ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup  ## write the generated pages of docs/reference
	@$(BIN)/python docs/generate.py

check: lint test docs  ## everything, and nothing generated may differ from what is committed
	@git diff --exit-code

bench: setup  ## the long runs: each measures tagswarm and its peers side by side
	@.ci/system jq mktorrent openssl parallel convert-im6.q16=imagemagick
	$(BIN)/python benchmarks/hashing.py
	$(BIN)/python benchmarks/verify.py
	$(BIN)/python benchmarks/filetable.py
	$(BIN)/python benchmarks/seeding.py
	$(BIN)/python benchmarks/torrents.py
	$(BIN)/python benchmarks/plan.py
	$(BIN)/python benchmarks/selective.py
	$(BIN)/python benchmarks/metadata.py
	$(BIN)/python benchmarks/resize.py --corpus $(CORPUS)

scale: setup  ## 5 million posts: index and ask them, write docs/explanation/performance.md; seed 1,000 volumes
	@.ci/system jq
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/seeding.py --volumes 1000

# The rooms lie at the top but are installed as one package (docs/adr/0001-rooms-at-the-top.md): type checkers and
# import-linter look for one folder, so here is one made of links.
typing:
	@mkdir -p .typing/tagswarm
	@for room in $(ROOMS); do ln -sfn ../../$$room .typing/tagswarm/$$room; done
	@for part in $$(ls tagswarm | grep -v __pycache__); do ln -sfn ../../tagswarm/$$part .typing/tagswarm/$$part; done

clean:  ## remove everything that make makes
	@rm -rf .venv .typing .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-out build dist *.egg-info

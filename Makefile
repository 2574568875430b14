PYTHON ?= python3
BIN := .venv/bin

.PHONY: typing
typing:
	@mkdir -p .typing/tagswarm
	@for room in imaging manifests mirror release tagindex; do ln -sfn ../../$$room .typing/tagswarm/$$room; done
	@for part in $$(ls tagswarm | grep -v __pycache__); do ln -sfn ../../tagswarm/$$part .typing/tagswarm/$$part; done

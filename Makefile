# The first target you need: `make ask`. Everything sets itself up in .venv; nothing is installed outside the project
# (tools/system.sh installs the optional system packages, and needs root).
PYTHON ?= python3
VENV := .venv
NUNBIT := $(VENV)/bin/nunbit
STAMP := $(VENV)/.ready
EXTRAS ?= train,qlora,serve,ocr,ocr-pip,parts,chart,dev

.PHONY: ask shell test setup doctor bench eval parity bench-train bench-packing bench-memory bench-shard shard \
	bench-serve mcp bench-gateway gateway-cancelled gateway-backends sdk-checks attack-check bench-eval bench-gpu \
	harness-clients teacher validator connectors hostile race picture-shapes schemathesis soak compat data-peers vllm \
	ray-serve page-checks chroot-check serve train docs clean

ask: $(STAMP)           ## answer the questions about the shipped example pictures
	@$(VENV)/bin/python -m tools.ask_examples

shell: $(STAMP)         ## a shell in which `nunbit` and `python` are those of this project
	@echo "nunbit is on the path of this shell; exit leaves it"
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" "$${SHELL:-/bin/sh}" -i || true

test: $(STAMP)          ## lint, types and the tests
	$(VENV)/bin/ruff check src tests benchmarks tools
	$(VENV)/bin/mypy
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 2; }
	@test -x $(VENV)/bin/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing packages into $(VENV) (some minutes the first time)"
	@$(VENV)/bin/python -m pip install -q -c constraints.txt -e '.[$(EXTRAS)]' 2>&1 | grep -v -e '^WARNING: Location' -e 'notice' || true
	@$(VENV)/bin/python -c 'import importlib.util as u, torch, transformers; assert not u.find_spec("torchvision"), "torchvision must not be installed"'
	@sh tools/system.sh reading
	@touch $@

doctor: $(STAMP)
	$(NUNBIT) doctor

bench: $(STAMP)         ## milliseconds to the first token
	$(NUNBIT) bench

eval: $(STAMP)          ## 2,000 held-out questions
	$(NUNBIT) eval tiny-world --model nunbit-tiny

GOLDEN ?= ../shared/golden
parity: $(STAMP)        ## CoLLaVO and MoAI against reference tensors: make parity GOLDEN=DIR
	$(VENV)/bin/python -m tests.parity.tensors $(GOLDEN)

bench-train: $(STAMP)   ## our loop beside Trainer and TRL: QUICK=1 JSON=1 make -s bench-train
	@$(VENV)/bin/python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("trl"))' 2>/dev/null || $(VENV)/bin/python -m pip install -q -c constraints.txt 'trl>=1.0' 'datasets>=4'
	@$(VENV)/bin/python -m benchmarks.train

bench-packing: $(STAMP) ## grouping and packing beside padding to the longest
	@$(VENV)/bin/python -m benchmarks.packing

bench-memory: $(STAMP)  ## peak memory against batch and length, beside Trainer and TRL: QUICK=1 for a tiny one
	@$(VENV)/bin/python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("trl"))' 2>/dev/null || $(VENV)/bin/python -m pip install -q -c constraints.txt 'trl>=1.0' 'datasets>=4'
	@$(VENV)/bin/python -m benchmarks.memory

bench-shard: $(STAMP)   ## memory of each process of a sharded model: make bench-shard MILLIONS=200
	@$(VENV)/bin/python -m benchmarks.sharded_memory --millions $(or $(MILLIONS),1000)

shard: $(STAMP)         ## 20 steps of each recipe in one, two and four sharded processes: the same losses?
	@OMP_NUM_THREADS=1 $(VENV)/bin/python -m tests.training.sharded_run --steps 20

bench-serve: $(STAMP)   ## our server beside its peers
	$(VENV)/bin/python -m benchmarks.serve

mcp: $(STAMP)           ## a question through the MCP package's own client
	$(VENV)/bin/python -m pytest -q -m slow tests/mcp

bench-gateway: $(STAMP) ## what the gateway adds to a request
	@$(VENV)/bin/python -m benchmarks.gateway

gateway-cancelled: $(STAMP) ## a thousand streams through the gateway, hung up on together: is anything kept?
	@$(VENV)/bin/python -m tests.load.cancelled_streams

LLAMA_CPP ?= $(VENV)/bin/python
ATTACK_VENV ?= .venv-attacks
gateway-backends: $(STAMP) ## the openai package at other servers, and through us: LLAMA_CPP=PYTHON VLLM=EXECUTABLE
	@$(VENV)/bin/python -W ignore -m tests.load.gateway_backends --llama-cpp $(LLAMA_CPP) $(if $(VLLM),--vllm $(VLLM))

sdk-checks: $(STAMP)    ## the openai package's checks at any server: make sdk-checks URL=http://127.0.0.1:8000/v1
	@$(VENV)/bin/python -m tests.load.sdk_checks $(or $(URL),http://127.0.0.1:8000/v1)

attack-check: $(STAMP)  ## our PGD beside that of two other packages, in an environment of its own
	@sh tools/attack_env.sh $(ATTACK_VENV) $(VENV)
	@OMP_NUM_THREADS=1 $(ATTACK_VENV)/bin/python -W ignore -m tests.load.attack_check

bench-eval: $(STAMP)    ## seconds of 5,000 items beside lmms-eval, start-up included: N=200 make bench-eval
	@$(VENV)/bin/python -m benchmarks.eval

harness-clients: $(STAMP) ## lmms-eval (and VLMEVALKIT=DIR) as clients of our server: the same accuracy?
	@$(VENV)/bin/python -m benchmarks.harness_clients $(if $(VLMEVALKIT),--vlmevalkit $(VLMEVALKIT))

teacher: $(STAMP)       ## nunbit data make with a teacher that misbehaves, and with kill -9: PICTURES=100 KILLS=3
	@$(VENV)/bin/python -m tests.load.teacher --pictures $(or $(PICTURES),1000) --kills $(or $(KILLS),10)

validator: $(STAMP)     ## precision and recall of the validator on labelled items and on free text of a model
	@$(VENV)/bin/python -m tests.load.validator
	@test ! -f tests/data/validation/free_text.jsonl || $(VENV)/bin/python -m tests.load.validator --free tests/data/validation/free_text.jsonl

connectors: $(STAMP)    ## every connector trained, asked and served by the commands
	$(VENV)/bin/python -m tests.load.connectors

hostile: $(STAMP)       ## 3,000 hostile requests against the server
	$(VENV)/bin/python -m tests.load.hostile

race: $(STAMP)          ## 20,000 prompts prepared by eight threads over the model that ships: the ids of one?
	$(VENV)/bin/python -m pytest -q -m slow tests/engine/test_threads.py

schemathesis: $(STAMP)  ## requests made from the server's own OpenAPI document
	@$(VENV)/bin/python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("schemathesis"))' 2>/dev/null || $(VENV)/bin/python -m pip install -q -c constraints.txt schemathesis
	$(VENV)/bin/python -m tests.load.openapi

MINUTES ?= 20
soak: $(STAMP)          ## the server at saturation, with clients that hang up: make soak MINUTES=1
	@$(VENV)/bin/python -m tests.load.soak --minutes $(MINUTES)

PEERS ?= .peers
data-peers: $(STAMP)    ## instruction data in each layout, read by datasets, webdataset and TRL (400 MB)
	@test -d $(PEERS)/trl || { $(VENV)/bin/pip install -q --target $(PEERS) datasets==5.2.0 webdataset==1.0.2 && \
		$(VENV)/bin/pip install -q --no-deps --target $(PEERS) trl==1.16.0; }
	@OMP_NUM_THREADS=1 PYTHONPATH=$(PEERS) $(VENV)/bin/python -W ignore -m tests.load.data_peers

COMPAT_VENV ?= .venv-compat
compat:                 ## types of transformers in the engine, beside `generate`: writes docs/compatibility.md
	@PYTHON=$(PYTHON) sh tools/compat_env.sh $(COMPAT_VENV)
	@OMP_NUM_THREADS=1 $(COMPAT_VENV)/bin/python -m tests.load.compat --write docs/compatibility.md $(if $(wildcard $(VENV)/bin/python),--default $(VENV)/bin/python)

VLLM_VENV ?= .venv-vllm
vllm: $(STAMP)          ## composed models in vLLM by our plugin: the ids of our engine? (3.5 GB)
	@PYTHON=$(PYTHON) sh tools/vllm_env.sh $(VLLM_VENV)
	@OMP_NUM_THREADS=1 $(VENV)/bin/python -W ignore -m tests.load.vllm_plugin write out/vllm
	@OMP_NUM_THREADS=1 $(VLLM_VENV)/bin/python -W ignore -m tests.load.vllm_plugin check out/vllm

bench-gpu: $(STAMP)     ## tokens/s and MFU on a GPU beside vLLM and transformers: VLLM=PYTHON; REHEARSE=1: a tiny one
	@$(VENV)/bin/python -W ignore -m benchmarks.gpu $(if $(VLLM),--vllm $(VLLM)) $(if $(REHEARSE),--rehearse)

picture-shapes: $(STAMP) ## peak memory of 200 shapes of pictures in five types of models: make picture-shapes SHAPES=20
	$(VENV)/bin/python -W ignore -m tests.load.picture_shapes --shapes $(or $(SHAPES),200)

ray-serve: $(STAMP)     ## replicas on Ray Serve, killed one after another while clients ask
	@$(VENV)/bin/python -c 'import ray.serve' 2>/dev/null || $(VENV)/bin/python -m pip install -q -c constraints.txt 'ray[serve]>=2.60'
	@$(VENV)/bin/python -m tests.load.ray_serve

page-checks: $(STAMP)   ## the web page: axe-core in four modes, Lighthouse on a server: URL=http://127.0.0.1:8000
	@$(VENV)/bin/python -m tools.page_checks fetch
	$(VENV)/bin/python -m pytest tests/serving/page/test_axe.py
	$(if $(URL),$(VENV)/bin/python -m tools.page_checks lighthouse $(URL),@echo "no URL given: Lighthouse was not run")

CHROOT ?= $(or $(TMPDIR),/tmp)/nunbit-chroot
chroot-check:           ## README's commands in a fresh Debian (root, debootstrap, 12 GB): make chroot-check CHROOT=DIR
	$(PYTHON) tools/chroot_check.py $(CHROOT)

serve: $(STAMP)         ## the OpenAI API and the page at http://127.0.0.1:8000
	$(NUNBIT) serve

train: $(STAMP)         ## train the embedded model again (resumes)
	$(NUNBIT) train tiny

docs: $(STAMP)          ## the pages of docs/ and the Python API as a site in out/site
	@$(VENV)/bin/python -c 'import mkdocs, mkdocstrings' 2>/dev/null || $(VENV)/bin/python -m pip install -q -c constraints.txt -e '.[docs]'
	$(VENV)/bin/python -m mkdocs build --quiet --strict

clean:
	rm -rf $(VENV) $(COMPAT_VENV) $(VLLM_VENV) $(ATTACK_VENV) .page-checks .pytest_cache .mypy_cache .ruff_cache

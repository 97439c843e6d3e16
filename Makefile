# Every target sets up what it needs: a virtual environment first, the rehearsal's tools when they are wanted.
#   make up        the whole stack on a rehearsal cluster     make preview   what `up` would do
#   make destroy   remove the stack, keep the cluster         make down      stop the rehearsal cluster, remove its data
#   make refresh   take what the cluster has into the state   make status    what runs of the rehearsal cluster
#   make setup     the Python packages                        make tools     build what the rehearsal runs
#   make clean     remove all that was built or made
#   make login     where the state of STACK is kept: BACKEND=azblob://… SECRETS=azurekeyvault://…, or BACKEND=https://api.pulumi.com
#   make preflight what the cluster of STACK lacks, or has in the way
#   make size      what a load needs and costs, per environment: PODS= RPS= SPANS= LOG_MB= SERIES= DAYS= ENVIRONMENT= MESH= PRICES=file
#   make verify    one request through STACK, followed into Tempo, Loki, Prometheus and along Grafana's links: GATEWAY_URL= TEMPO_URL=
#                  LOKI_URL= PROMETHEUS_URL= GRAFANA_URL= (what is not given, kubectl forwards)  CONTEXT= HOST= JUNIT=file.xml
#   make open      where Grafana of STACK is, and how to get in; through kubectl where it has no public host, or with FORWARD=1  (CONTEXT=)
#   make signals   the same through real processes on this machine, with the configuration of STACK  (SET=  TEMPO=its binary  JUNIT=file.xml)
#   make graph     the signals of STACK checked and drawn: docs/signals.md and docs/signals.svg, .signals/<stack>/ for another than local
#   make docs      write the generated pages: configuration, layers, charts, signals, sizes; `make docs-check` says which differ
#   make lock      the chart lock's versions to digests, or CHART=loki at another version: TO=18.12.0
#   make mirror    a folder with every chart and the list of every image, for a site without the internet: DIR=folder
#                  STACK= (default: all)  FROM=folder or address that holds the archives  LOCK=file
#   make render    every object of STACK (or STACK=all) as files, without a cluster: rendered/<stack>/
#   make export    STACK as files for FORMAT=argocd|flux, in the order in which the program makes it: DIR=folder  REPOSITORY=git address
#                  REVISION= (HEAD)  REPOSITORY_PATH= (DIR)  SOURCE= (Flux' GitRepository)  CLIENT_IDS='tempo-identity=…'
#   make diff      what changed since BASE=<git ref>, by object and field, for STACK (or STACK=all)
#   make upgrade   the steps to CHART=<chart> TO=<version>, and what it makes of today's values and objects  (ARCHIVE=file or folder  STACK=all)
#   make policy    what STACK (or STACK=all) breaks of the rules, and what checkov, kube-score and kubeconform say of its objects  (RULES=1)
#   make rehearse-upgrade  STACK as it was at BASE (default: the last landed) brought up, then as it is, on one rehearsal cluster
#   make test      all tests                                  make check     ruff, pyright, docs-check, workflows
#   make workflows what actionlint and zizmor say of .github/workflows
#   make comment   the review in MARKDOWN=file.md on a pull request, or printed: PULL_REQUEST=number ARTIFACT=url, GITHUB_TOKEN
#   make drift     what is otherwise than STACK (or STACK=all) says, as one issue, or printed; writes no state  (GITHUB_TOKEN)
#   make connect   kubectl's context of the AKS cluster of STACK
#   make sample-image  the sample application as an image, loaded into kind
#   make bench-review  time and memory of render and diff      (ROUNDS=3  JSON=file.json  BASE=<git ref>)
#   make bench     one `up` beside the same by hand           (ROUNDS=3  JSON=file.json)
#   make bench-signals  our collector's configuration beside a bare one, and a minute without the trace store  (ROUNDS= JSON=)
# Variables: STACK=local|dev|…  REHEARSE=1 (rehearse another stack)  CLUSTER=current (the cluster of your kubeconfig)
#            SET='istio={mode: ambient}' (try a change out)  CONTEXT=name (of the kubeconfig, for preflight)
#            BUNDLES=1 (render and diff without the real charts)  MARKDOWN=file.md JSON=file.json (diff, also as a comment and for tools)
#            TIMELINE=file.svg  POD_START=seconds  DATA=remove (destroy also takes what is protected because it holds data)

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STACK ?= local
# a stack other than local goes to the cluster that its own configuration names, unless it is only rehearsed
CLUSTER ?= $(if $(REHEARSE),rehearsal,$(if $(filter local,$(STACK)),rehearsal,configured))
RUN = $(PY) -m rehearsal
ARGUMENTS = --stack $(STACK) --cluster $(CLUSTER) $(if $(SET),--set '$(SET)')
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help up preview refresh destroy down status tools login preflight size graph docs docs-check render policy diff upgrade rehearse-upgrade lock mirror export open verify signals test check bench bench-signals bench-review sample-image clean
.PHONY: setup comment drift connect workflows

help:
	@sed -n 's/^#   //p; s/^# Var/Var/p; s/^#            /           /p' Makefile

$(VENV)/.ready: requirements.txt requirements-dev.txt sample/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); name another with PYTHON=" >&2; exit 2; }
	@echo "setting up $(VENV) (Python packages, about a minute)"
	@$(PYTHON) -m venv $(VENV) || { echo "error: $(PYTHON) -m venv failed: install your system's python3-venv package" >&2; exit 2; }
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.ready

up: $(VENV)/.ready
	@$(RUN) up $(ARGUMENTS) $(if $(TIMELINE),--timeline $(TIMELINE)) $(if $(POD_START),--pod-start $(POD_START))

preview refresh destroy: $(VENV)/.ready
	@$(RUN) $@ $(ARGUMENTS)$(if $(filter remove,$(DATA)), --with-data)

down status tools: $(VENV)/.ready
	@$(RUN) $@

login: $(VENV)/.ready
	@$(PY) -m operations.login --stack $(STACK) --backend '$(BACKEND)' $(if $(SECRETS),--secrets '$(SECRETS)')

preflight: $(VENV)/.ready
	@$(PY) -m components.preflight --stack $(STACK) $(if $(CONTEXT),--context '$(CONTEXT)')

SIZE = PODS:pods RPS:requests-per-second SPANS:spans-per-second LOG_MB:log-mb-per-second SERIES:active-series DAYS:retention-days \
	ENVIRONMENT:environment MESH:mesh PRICES:prices
size: $(VENV)/.ready
	@$(PY) -m sizing $(foreach pair,$(SIZE),$(if $($(firstword $(subst :, ,$(pair)))),--$(lastword $(subst :, ,$(pair))) '$($(firstword $(subst :, ,$(pair))))'))

docs: $(VENV)/.ready
	@$(PY) -m pages

docs-check: $(VENV)/.ready
	@$(PY) -m pages --check

VERIFY = GATEWAY_URL:gateway TEMPO_URL:tempo LOKI_URL:loki PROMETHEUS_URL:prometheus GRAFANA_URL:grafana CONTEXT:context HOST:host JUNIT:junit
verify: $(VENV)/.ready
	@$(PY) -m verify --stack $(STACK) $(foreach pair,$(VERIFY),$(if $($(firstword $(subst :, ,$(pair)))),--$(lastword $(subst :, ,$(pair))) '$($(firstword $(subst :, ,$(pair))))'))

open: $(VENV)/.ready
	@$(PY) -m operations.looking --stack $(STACK) $(if $(CONTEXT),--context '$(CONTEXT)')$(if $(FORWARD), --forward)

signals: $(VENV)/.ready
	@$(PY) -m signals --stack $(STACK) $(if $(SET),--set '$(SET)') $(if $(TEMPO),--tempo '$(TEMPO)') $(if $(JUNIT),--junit '$(JUNIT)')

graph: $(VENV)/.ready
	@$(PY) -m components.signals --stack $(STACK)

render: $(VENV)/.ready
	@$(PY) -m review render --stack $(STACK)$(if $(BUNDLES), --bundles)

policy: $(VENV)/.ready
	@$(PY) -m policies --stack $(STACK)$(if $(BUNDLES), --bundles)$(if $(RULES), --rules-only)

EXPORT = REPOSITORY:repository REVISION:revision REPOSITORY_PATH:path SOURCE:source CLIENT_IDS:clients
export: $(VENV)/.ready
	@$(PY) -m gitops --stack $(STACK) --format '$(FORMAT)' --into '$(or $(DIR),$(error DIR is missing: name the folder to fill, such as DIR=exported/$(STACK)))' \
		$(foreach pair,$(EXPORT),$(if $($(firstword $(subst :, ,$(pair)))),--$(lastword $(subst :, ,$(pair))) '$($(firstword $(subst :, ,$(pair))))'))$(if $(BUNDLES), --bundles)

lock: $(VENV)/.ready
	@$(PY) -m supply lock $(if $(CHART),--chart '$(CHART)') $(if $(TO),--to '$(TO)') $(if $(LOCK),--file '$(LOCK)')

# without STACK all stacks
mirror: $(VENV)/.ready
	@$(PY) -m supply mirror --into '$(or $(DIR),$(error DIR is missing: name the folder to fill, such as DIR=mirror))' \
		$(if $(and $(filter-out file,$(origin STACK)),$(STACK)),--stack $(STACK)) $(if $(FROM),--source '$(FROM)') $(if $(LOCK),--file '$(LOCK)')

diff: $(VENV)/.ready
	@$(PY) -m review diff --stack $(STACK) --base '$(BASE)' $(if $(MARKDOWN),--markdown $(MARKDOWN)) $(if $(JSON),--json $(JSON))$(if $(BUNDLES), --bundles)

comment: $(VENV)/.ready
	@$(PY) -m operations.comment --stack $(STACK) --text '$(MARKDOWN)' $(if $(PULL_REQUEST),--pull-request '$(PULL_REQUEST)') $(if $(ARTIFACT),--artifact '$(ARTIFACT)')

drift: $(VENV)/.ready
	@$(PY) -m operations.drift --stack $(STACK) --cluster $(CLUSTER)

connect: $(VENV)/.ready
	@$(PY) -m operations.connect --stack $(STACK)

workflows: $(VENV)/.ready
	@$(PY) -m operations.workflows

upgrade: $(VENV)/.ready
	@$(PY) -m review upgrade --chart '$(CHART)' --to '$(TO)' --stack $(if $(filter command line,$(origin STACK)),$(STACK),all) $(if $(ARCHIVE),--archive '$(ARCHIVE)')

rehearse-upgrade: $(VENV)/.ready
	@$(PY) -m review rehearse-upgrade --stack $(STACK) $(if $(BASE),--base '$(BASE)')

test: $(VENV)/.ready
	@$(RUN) tools
	@$(PY) -m pytest --numprocesses $(WORKERS) --dist loadgroup $(PYTEST)

check: docs-check workflows
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/pyright

bench: $(VENV)/.ready
	@$(PY) -m bench.up $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(JSON),--json $(JSON)) $(if $(POD_START),--pod-start $(POD_START))

bench-signals: $(VENV)/.ready
	@$(PY) -m bench.signals --stack $(STACK) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(JSON),--json $(JSON))

bench-review: $(VENV)/.ready
	@$(PY) -m bench.review $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(JSON),--json $(JSON)) $(if $(BASE),--base $(BASE))

sample-image: $(VENV)/.ready
	@$(PY) -m sample.image

clean: down
	rm -rf $(VENV) .tools .charts .rehearsal .rehearsal-signals rendered

# Jiayuan: everything a developer types. `make help` lists it.
PY := .venv/bin/python
PACKAGES := contracts chassis intake routing sla ledger notify local
export PATH := $(CURDIR)/.venv/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: .venv help setup test test-unit lint fuzz isolation chaos models storm bench bench-intake bench-routing bench-sla bench-ledger bench-notify demo down definitions lock compose-check fuzz-intake

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

.venv:
	@tools/bootstrap.sh

setup: .venv ## Make .venv with the pinned packages, install servers where they are missing (as root)
	@$(PY) -m jiayuan.local.servers install

test: setup ## Lint, isolation and every layer of tests, on real servers
	@tools/programs.sh
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint isolation
	@$(PY) -m jiayuan.local.servers run tools/tests.sh

test-unit: .venv ## Only the tests that need no server
	$(PY) -m pytest contracts chassis services deploy/local tests \
		-m "not (store or bus or system or browser or chaos or chaos_long or bench)"

lint: .venv ## ruff, mypy, import rules
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy $(addprefix -p jiayuan.,$(PACKAGES))
	.venv/bin/lint-imports

fuzz: .venv ## Broken input for every parser of intake, others every time (SECONDS=60 a parser)
	$(PY) services/intake/tests/fuzzing.py --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

isolation: .venv ## Build and import every service with its own dependencies alone
	$(PY) tools/isolation.py

chaos: setup ## The long campaign of kills, then reconcile
	$(PY) -m jiayuan.local.chaos --long
	$(PY) -m pytest -q services -m chaos_long

models: .venv ## The tests that search by themselves, fifty times as far (JIAYUAN_MODELS=50)
	JIAYUAN_MODELS=$${JIAYUAN_MODELS:-50} $(PY) -m pytest -q $$(grep -rl "testing.models" services/*/tests) -m unit

storm: setup ## A typhoon's hour at 100 times the normal rate, then every clock counted again (OPTIONS="--minutes 10")
	$(PY) -m bench.storm $(OPTIONS)

bench: setup ## The whole path against its peers
	$(PY) -m bench.pipeline

bench-intake: setup ## Intake alone against a bare handler (OPTIONS="--grow 200000")
	$(PY) -m bench.intake $(OPTIONS)

bench-routing: setup ## Whole lives of cases at 10,000 to 1,000,000 in the database (OPTIONS="--sizes 10000,100000")
	$(PY) -m bench.routing $(OPTIONS)

bench-sla: setup ## A million open clocks beside what else tells deadlines (OPTIONS="--sizes 100000 --no-peers")
	$(PY) -m bench.sla $(OPTIONS)

bench-ledger: setup ## The account with its proof beside the account without, at 10,000 to 10,000,000 leaves (OPTIONS="--sizes 10000")
	$(PY) -m bench.ledger $(OPTIONS)

bench-notify: setup ## Notices beside a bare loop, under kills, in a storm (OPTIONS="--only kills --minutes 1 --kills 4")
	$(PY) -m bench.notify $(OPTIONS)

demo: setup ## Everything up, real reports through all five services (DATA=path)
	$(PY) -m jiayuan.local.demo

down: .venv ## Leave nothing of the demo running
	$(PY) -m jiayuan.local.demo --down

compose-check: ## docker-compose.yml for real: up, reports, kills, down (needs a Docker engine)
	@deploy/compose/check.sh

fuzz-intake: setup ## schemathesis on intake's OpenAPI document, the long form (FUZZ_EXAMPLES, FUZZ_SECONDS, FUZZ_SEED)
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-200} FUZZ_SECONDS=$${FUZZ_SECONDS:-1800} FUZZ_SEED=$${FUZZ_SEED:-$$(date +%s)} \
		$(PY) -m pytest services/intake/tests/test_fuzz.py -s

definitions: .venv ## Write the contract files generated from the code
	$(PY) -m jiayuan.contracts.generate
	$(PY) -m jiayuan.intake.interface.document
	$(PY) -m jiayuan.routing.interface.document
	$(PY) -m jiayuan.routing.interface.machine
	$(PY) -m jiayuan.sla.interface.document
	$(PY) -m jiayuan.ledger.interface.document
	$(PY) -m jiayuan.notify.interface.document
	$(PY) -m jiayuan.notify.providers.page docs/notify/providers.md

lock: .venv ## Pin all dependencies again (UPGRADE=1 takes newer versions)
	$(PY) tools/lock.py $(if $(UPGRADE),--upgrade)

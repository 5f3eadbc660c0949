# Assay's commands for people. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
# Where images and runs are kept; empty is assay's own choice.
ASSAY_CACHE ?=
export ASSAY_CACHE

# What one guest test needs on a host without KVM is a matter of minutes; the
# whole must end well before CI gives up.
UNIT_TIMEOUT ?= 20m
GUEST_TIMEOUT ?= 60m
FUZZTIME ?= 10s

# Packages with tests that boot guests, and packages with fuzz targets.
guest_packages = $(shell grep -rl --include='*_test.go' ASSAY_GUEST_TESTS . | xargs -r -n1 dirname | sort -u)
fuzz_packages = $(shell grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u)

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing to run guests, and start libvirt
	@scripts/setup

.PHONY: build
build: ## build ./assay
	$(GO) build -o assay ./cmd/assay

# What the demo judges by. Upgrades, rollbacks and layering reboot again and
# again, which takes long without KVM: make demo DEMO= tries those too.
DEMO ?= --suite base --suite cloud-init --suite storage --suite runtime --suite containers --label '!slow'

.PHONY: demo
demo: setup build ## build a real ostree image, judge it, say where the report is
	@mkdir -p .cache
	$(GO) run ./fixtures/cmd/fixtures image >.cache/image.json
	@image=$$(sed -nE 's/^ *"qcow2": "(.*)",?$$/\1/p' .cache/image.json) && echo "./assay run $(DEMO) $$image" && ./assay run $(DEMO) "$$image"

.PHONY: check
check: ## format, vet, lint, tidy diff
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l); \
		if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -w mends it):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	@scripts/lint
	$(GO) mod tidy -diff
	bash -n .ci/run scripts/setup scripts/lint

.PHONY: unit
unit: ## tests that need neither root nor guests
	$(GO) test -race -timeout $(UNIT_TIMEOUT) ./...

.PHONY: acceptance
acceptance: setup ## tests that boot real guests
	@[ -n "$(guest_packages)" ] || { echo "no guest test was found" >&2; exit 1; }
	ASSAY_GUEST_TESTS=1 $(GO) test -v -count=1 -p 1 -timeout $(GUEST_TIMEOUT) $(guest_packages)

.PHONY: test
test: setup unit acceptance ## all tests; boots real guests

# In parts: make corpus CORPUS="-kind update", CORPUS="-only 'docker-*'", CORPUS=-alone,
# CORPUS=-list; what has an outcome already is not run again. The healthy images are asked
# what the broken ones are; all that is not slow: make corpus CORPUS="-only 'healthy-*'".
CORPUS ?=

.PHONY: corpus
corpus: setup ## everything deliberately broken, each of which the right check must name (hours without KVM)
	$(GO) run ./fixtures/cmd/corpus $(CORPUS)

.PHONY: long
long: setup ## guest tests that have no time in `make test`
	ASSAY_GUEST_TESTS=1 ASSAY_CORPUS=all $(GO) test -v -count=1 -timeout 12h -p 1 -run 'Broken|Healthy|StateIsMadeOnce|ForReal|Killed|AtOnce' ./cmd/assay ./harness ./fixtures/standins

.PHONY: server-tests
server-tests: ## the release stage against real servers: trackers, sshd, S3, mail, bus (the first run builds some)
	@scripts/setup packages.servers
	ASSAY_SERVER_TESTS=1 $(GO) test -v -count=1 -timeout 1h -p 1 \
		$$(grep -rlE --include='*_test.go' 'ASSAY_SERVER_TESTS|servertest[.]|trackertest[.](Gitea|Pagure)' ./release ./cmd | xargs -n1 dirname | sort -u)

.PHONY: bench
bench: setup ## the figures of docs/performance.md
	$(GO) test -run '^$$' -bench . -benchmem $$($(GO) list ./... | grep -v -e '/cmd/assay$$' -e '/harness$$')
	ASSAY_GUEST_TESTS=1 $(GO) test -run '^$$' -bench . -benchtime 10x -timeout 1h ./harness
	ASSAY_GUEST_TESTS=1 $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 3h ./cmd/assay

.PHONY: fuzz
fuzz: ## every fuzz target, FUZZTIME (10s) each
	@for package in $(fuzz_packages); do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' $$package/*_test.go); do \
			echo "== $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: release-demo
release-demo: build ## ten weeks of nightly builds through the release stage, in a minute; leaves the pages
	$(GO) run ./release/scenario/demo -dir .cache/release-demo

.PHONY: clean
clean: ## remove what was built here (the cache of images stays)
	rm -rf assay .cache assay-results

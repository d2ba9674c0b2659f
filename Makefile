# Gori. `make help` lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# One thing after the other, also under make -j: tests share the machine, and the last lines are those of go test.
.NOTPARALLEL:

DATA   ?= ./data
SHARDS ?=
NODES  ?=
PORT   ?= 8080
UPARGS ?=
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
URL    ?= http://localhost:$(PORT)

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unreleased)
GO      := go
WEBSRC  := $(shell find web/src web/public -type f 2>/dev/null) web/index.html web/package-lock.json $(wildcard web/vite*.config.ts)

.PHONY: run build web test unit check e2e bench soak setup clean help

## run: install what is missing, build, and start everything on http://localhost:8080 (DATA, SHARDS, NODES, PORT, UPARGS)
run: setup build
	@exec ./gori up --data "$(DATA)" $(if $(SHARDS),--shards $(SHARDS)) $(if $(NODES),--nodes $(NODES)) --port $(PORT) $(UPARGS)

## build: the browser client, then the program, at ./gori
build: web
	$(GO) build -ldflags "-X gori/command.version=$(VERSION)" -o gori .

web: web/node_modules/.built

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/node_modules/.built: web/node_modules/.installed $(WEBSRC)
	cd web && npm run --silent build
	@touch $@

## test: everything: checks, the client's unit tests, Go's tests, the tests in a real browser
test: setup-test check web-unit build e2e unit

## unit: Go's tests; the packages with shared memory once more under the race detector; a package that fails has a second try by itself (scripts/unit.sh)
unit: web
	@./scripts/unit.sh -race -short -timeout 40m $(RACE)
	@./scripts/unit.sh -timeout 40m ./...

# What has goroutines that share memory.
RACE := ./chat/... ./presence/... ./api/... ./client/... ./mesh/... ./nginx ./notify/... ./store/local ./host ./faults ./reach

## check: vet, format, static analysis, the arrows between the folders
check: web
	$(GO) vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	$(GO) test -count=1 -run 'TestArrows|TestHouse' .

.PHONY: web-unit setup-test
web-unit: web/node_modules/.installed
	cd web && npm test --silent

## e2e: the browser client in Debian's Chromium against a system of its own
e2e: build
	cd web && CHROMIUM=$(CHROMIUM) npm run --silent e2e

## bench: figures of this machine against a running system (URL)
bench: build
	./gori bench all --url $(URL)

## soak: a reshard killed at each of its steps, and a primary with a standby at each; what is promised as a time, on a host that has it; the whole crash matrix; growing and shrinking again and again; long tortures of private systems, a new seed each (SOAKS, SOAKSECONDS); stops at the first broken promise
SOAKS       ?= 10
SOAKSECONDS ?= 180
# Only here it is a failure when these take longer than is promised.
PROMPT      := TestAStandbyTakesOverWithoutLoss|TestAnEndedLoginEndsOnEveryNode|TestAShardThatStandsStillIsTold|TestAPrimaryThatStandsStillIsReplaced|TestProgramsOnThreeNodes|TestAKilledShard|TestAFrozenShard|TestNoMoreConnections|TestAKilledPrimaryIsReplacedWithoutLoss
soak: build
	GORI_TEST_LONG=1 $(GO) test -count=1 -timeout 60m -run 'TestReshardKilledAtItsSteps|TestAStandbyTakesOverInAReshard|$(PROMPT)' -v ./command ./store ./store/local
	GORI_TEST_LONG=1 $(GO) test -count=1 -timeout 2h -run 'TestTheCrashMatrix|TestGrowAndShrink|TestTheTargetsDiskIsFull|TestTheMutants' -v ./store/proof
	@for i in $$(seq $(SOAKS)); do ./gori torture --seconds $(SOAKSECONDS) || exit 1; done

setup:
	@./scripts/setup.sh run

setup-test:
	@./scripts/setup.sh test

## clean: remove what was built; data stays
clean:
	rm -rf gori web/node_modules web/test-results
	find web/dist -mindepth 1 ! -name .gitkeep -delete

## help: this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

# Thin names for `cargo xtask`; the logic is there. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help prerequisites demo test check up down bench bench-failover chaos clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

prerequisites:
	@command -v protoc >/dev/null && test -e /usr/include/google/protobuf/descriptor.proto || { apt-get update -q && apt-get install -q -y --no-install-recommends protobuf-compiler libprotobuf-dev gcc libc6-dev; }

demo: prerequisites ## a DatabaseCluster on a real local Kubernetes, used with psql and pgbench, hurt and healed
	@cargo xtask demo

test: prerequisites ## every test, the end-to-end stories on a real Kubernetes included
	@cargo xtask test

check: prerequisites ## everything that needs no cluster: format, lints, docs, unit and integration tests
	@cargo xtask check

up: prerequisites ## the local Kubernetes with Berth installed, left running
	@cargo xtask up --install

down: prerequisites ## end the local Kubernetes and remove its disks
	@cargo xtask down

bench: prerequisites ## figures beside a StatefulSet, a direct connection and PgBouncer, in one run
	@cargo xtask bench

bench-failover: prerequisites ## pauses of clients in crashes, lost nodes and switchovers, beside Patroni, in one run
	@cargo xtask bench-failover

chaos: prerequisites ## a quarter of an hour of faults at random under clients that remember every answer
	@cargo xtask chaos

clean: ## remove what was built in the tree (the cache outside it stays)
	@cargo clean

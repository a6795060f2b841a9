# Everything a person or CI does here, and nothing else. Needs Rust; the rest is found or installed.

BUF = npx --yes --fetch-retries=0 @bufbuild/buf@1.75.0
TARGET = $${CARGO_TARGET_DIR:-target}

.DEFAULT_GOAL := help
.PHONY: help run check test bench sqlx clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the whole system on private PostgreSQL and Redis servers
	cargo run --bin handoff -- dev

check: ## Check format, lints, licences and protos
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then \
		cargo deny --workspace check; \
	else \
		echo "cargo-deny is not installed: licences and advisories are not checked"; \
	fi
	@if command -v buf >/dev/null; then \
		buf lint proto; \
	elif command -v npx >/dev/null && $(BUF) --version >/dev/null 2>&1; then \
		$(BUF) lint proto; \
	else \
		echo "buf is not installed: the protos are not linted"; \
	fi

test: ## Run every test against throw-away stores
	cargo build --workspace --bins
	@if cargo nextest --version >/dev/null 2>&1; then \
		$(TARGET)/debug/handoff with-stores -- cargo nextest run --workspace; \
	else \
		$(TARGET)/debug/handoff with-stores -- cargo test --workspace; \
	fi

bench: ## Measure the system against pgbench (ARGS="--quick --only conversations")
	cargo build --release --workspace --bins
	$(TARGET)/release/bench $(ARGS)

sqlx: ## Regenerate .sqlx, the checked form of every query
	cargo build --package private-stores
	$(TARGET)/debug/private-stores with-stores -- .ci/describe-queries

clean: ## Delete what was built, and the data of `make run`
	cargo clean
	rm -rf "$$(readlink -f .handoff/stores)" .handoff

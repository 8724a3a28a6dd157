# The index of habits. `make test` is every test that needs Go only; it sees to a real Redis itself.
#   make test RACE=1          all of them with the race detector; `make race` is where goroutines meet
#   make test TESTFLAGS=-v    with flags for go test
#   make fuzz FUZZTIME=10m    each target for ten minutes
#   TOLLGATE_SEED=7           other random cases
.PHONY: build run test cluster sentinel rights stores race lint fuzz bench faults soak million conformance proxies

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
SOURCES     = find . -name '*.go' -not -path '*/node_modules/*'
MODULES     = $(patsubst %/go.mod,%,$(wildcard bench/*/go.mod bench/*/*/go.mod))
FUZZTIME    = 30s
GOTEST      = go test $(if $(RACE),-race) $(TESTFLAGS)

build:
	go build -o bin/tollgate ./cmd/tollgate

# It has a Redis of its own, whichever one this shell works with: a redis-server or valkey-server
# with its data in .data, or without one a Redis inside the process, which forgets everything.
run: build
	@if [ -n "$$TOLLGATE_REDIS_SERVER" ] || command -v redis-server >/dev/null || command -v valkey-server >/dev/null; then set -- --data .data --demo; else set -- --dev; fi; \
	echo "bin/tollgate serve $$*"; exec env -u TOLLGATE_REDIS_URL -u TOLLGATE_DATA -u TOLLGATE_DEV bin/tollgate serve "$$@"

# The modules below bench are the real clients of each dialect, kept out of the program's go.mod.
test:
	.ci/redis
	$(GOTEST) ./...
	@for m in $(MODULES); do echo "== $$m"; (cd $$m && $(GOTEST) ./...) || exit 1; done

# The whole suite on three masters with three replicas, or behind Sentinel: in the middle of each
# test a replica takes over.
cluster sentinel:
	.ci/redis
	TOLLGATE_STORE=$@ $(GOTEST) -count=1 -p 1 -timeout 20m ./keys/... ./verify ./cmd/... ./ratelimit ./refill ./bench/e2e

# What is tested logs in to Redis, and to a Cluster, as the user that docs/operations.md describes.
rights:
	.ci/redis
	TOLLGATE_STORE=rights $(GOTEST) -count=1 -p 1 -timeout 20m ./keys/... ./verify ./cmd/... ./ratelimit ./refill

# Every suite that talks to a store, on another server: any redis-server or valkey-server.
#   make stores SERVER=/opt/valkey-9.0/bin/valkey-server
stores:
	@test -n "$(SERVER)" || { echo "say which server: make stores SERVER=FILE, the file of a redis-server or valkey-server" >&2; exit 2; }
	@test -x "$(SERVER)" || { echo "SERVER=$(SERVER) is no file that can be run" >&2; exit 2; }
	TOLLGATE_REDIS_SERVER="$(abspath $(SERVER))" .ci/redis
	"$(abspath $(SERVER))" --version
	TOLLGATE_REDIS_SERVER="$(abspath $(SERVER))" $(GOTEST) -count=1 -p 1 -timeout 30m ./keys/... ./verify/... ./cmd/... ./ratelimit ./refill ./bench/e2e

race:
	.ci/redis
	go test -race $(TESTFLAGS) -skip 'IsQuick|KeepsItsBound|Batches|DeathWhile|FailoverLoses' ./verify ./cmd/tollgate/web
	go test -race $(TESTFLAGS) -run 'Concurrent|Race|Once|Storm|Meanwhile|RootKeys' ./keys/... ./cmd/tollgate/netbird

lint:
	@bad=$$(gofmt -l $$($(SOURCES))); test -z "$$bad" || { echo "not as gofmt would have it:"; echo "$$bad"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...

fuzz:
	.ci/redis
	.ci/fuzz $(FUZZTIME)

# A table and a file for benchstat in bench/out; BASE=rev compares with another commit.
bench:
	.ci/redis
	BASE=$(BASE) bench/run

# Redis killed, frozen, failed over; replies lost: nothing is spent twice.
faults:
	.ci/redis
	go test -count=1 -v -timeout 30m $(TESTFLAGS) ./bench/faults/...

# Hours of load that must leave nothing behind.
soak:
	.ci/redis
	go test -count=1 -v -timeout 24h $(TESTFLAGS) ./bench/soak/...

# A million keys: bytes each, lists and verifications beside a small store, imports beside single creates.
million:
	.ci/redis
	go test -v -timeout 30m $(TESTFLAGS) ./bench/importing -keys 1000000 -fast 20

conformance:
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "make conformance drives the program with npm's clients: install Node.js 20 or later with npm" >&2; exit 1; }
	.ci/redis
	bench/conformance/run

# The recipes of deploy/proxies with the real nginx, Caddy and HAProxy. TRAEFIK=1 has Traefik too,
# and builds it before the first time, which takes minutes.
proxies:
	.ci/redis
	.ci/proxies
	$(if $(TRAEFIK),TOLLGATE_TRAEFIK="$$(bench/proxies/traefik)") TOLLGATE_PROXIES=1 PATH="$$PATH:/usr/sbin" go test -count=1 -timeout 10m $(TESTFLAGS) ./bench/proxies

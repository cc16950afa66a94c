# What people type. Go 1.26 builds it; tests bring what else they need.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
export CGO_ENABLED ?= 0

.PHONY: run build test check deps fmt vet lint unit race page picture bench profile fuzz sample clean

# The whole chain in one process: the sample capture, or PCAP=file.
run: build
	bin/ratadns up $(if $(PCAP),-r "$(PCAP)")

build:
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/ratadns ./cmd/ratadns

# Everything that must be true. Installs what is missing.
test: deps fmt vet lint page unit race fuzz
test: FUZZTIME = 30s

check: test

deps:
	@.ci/deps

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt wants to change:" $$out; exit 1; fi

vet:
	go vet ./...

lint:
	go run $(STATICCHECK) ./...

unit:
	go test -timeout 15m ./...

# Where goroutines meet.
race:
	CGO_ENABLED=1 go test -race -short -timeout 15m ./capture ./speedy ./fievel ./bus ./jerry ./archive

# The committed page is what its source makes.
page:
	cd web && npm ci --no-audit --no-fund --loglevel=error && npm run check && npm run build
	@git diff --exit-code --stat -- web/dist || { echo "web/dist does not match web/src: commit what npm run build made"; exit 1; }

# The pictures of the README.
picture: deps
	RATADNS_PICTURE=$(CURDIR)/docs go test -count=1 -run TestPage ./cmd/ratadns

bench: build
	docs/bench/run

# What the compiler knows of which code is hot, cmd/ratadns/default.pgo.
profile: build
	docs/bench/profile

# Every fuzz test: for half a minute each as one of the tests, else for long.
fuzz:
	docs/bench/fuzz $(FUZZTIME)

# Makes the sample capture anew; needs root, some minutes and name servers.
sample:
	capture/sample/generate/make.sh

clean:
	rm -rf bin web/node_modules

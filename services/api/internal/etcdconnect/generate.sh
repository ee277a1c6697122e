#!/usr/bin/env bash
# Regenerates the Connect handlers of etcd's services, and the messages of those that etcd's module of messages does not have. Wants buf,
# protoc-gen-go, protoc-gen-connect-go and gofumpt on the PATH; "make generate" puts the pinned ones there.
set -euo pipefail
cd "$(dirname "$0")"

image=$(mktemp --suffix=.binpb)
trap 'rm -f "$image"' EXIT
go run ./descriptors >"$image"

etcd=go.etcd.io/etcd/api/v3
here=github.com/quoratedb/quorate/services/api/internal/etcdconnect
names="
      - paths=source_relative
      - Mrpc.proto=$etcd/etcdserverpb
      - Metcd/api/mvccpb/kv.proto=$etcd/mvccpb
      - Metcd/api/authpb/auth.proto=$etcd/authpb
      - Metcd/api/versionpb/version.proto=$etcd/versionpb
      - Mv3lockpb/v3lock.proto=$here/v3lockpb
      - Mv3electionpb/v3election.proto=$here/v3electionpb"
buf generate "$image" --path v3lockpb/v3lock.proto --path v3electionpb/v3election.proto --template "$(cat <<YAML
version: v2
plugins:
  - local: protoc-gen-go
    out: .
    opt: $names
YAML
)"
buf generate "$image" --path rpc.proto --path v3lockpb/v3lock.proto --path v3electionpb/v3election.proto --template "$(cat <<YAML
version: v2
plugins:
  - local: protoc-gen-connect-go
    out: .
    opt: $names
      - simple=true
YAML
)"
gofumpt -w {v3lockpb,v3electionpb}/{,*/}*.go

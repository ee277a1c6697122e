#!/usr/bin/env bash
# Regenerates the Connect handlers of etcd's services. Wants buf and protoc-gen-connect-go on the PATH; "make generate"
# puts the pinned ones there.
set -euo pipefail
cd "$(dirname "$0")"

image=$(mktemp --suffix=.binpb)
trap 'rm -f "$image"' EXIT
go run ./descriptors >"$image"

etcd=go.etcd.io/etcd/api/v3
buf generate "$image" --path rpc.proto --template "$(cat <<EOF
version: v2
plugins:
  - local: protoc-gen-connect-go
    out: .
    opt:
      - paths=source_relative
      - simple=true
      - Mrpc.proto=$etcd/etcdserverpb
      - Metcd/api/mvccpb/kv.proto=$etcd/mvccpb
      - Metcd/api/authpb/auth.proto=$etcd/authpb
      - Metcd/api/versionpb/version.proto=$etcd/versionpb
EOF
)"

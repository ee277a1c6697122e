#!/usr/bin/env bash
# Goal: what make release makes can be fetched by a version and nothing else. Method: a clone gets a release; a module cache that is empty, and a proxy on
# the file system before the machine's own, stand for the world. Each command is installed, and a module outside the repository takes the test package
# into its test. The repository gets no commit and no tag.
#
#   test.sh VERSION
set -euo pipefail
version=$1
top=$(git rev-parse --show-toplevel)
work=$(mktemp -d)
trap 'GOMODCACHE=$work/modules go clean -modcache; rm -rf "$work"' EXIT
ours=github.com/quoratedb/quorate
seen() { echo "ok: $*"; }

git clone --quiet --shared --no-tags "$top" "$work/clone"
make -C "$work/clone" release VERSION="$version" PROXY="$work/proxy"
cd "$work/clone"
for dir in pkg services/{consensus,lease,watch,api,quorate,ctl} deploy/stack; do
	text=$(git show "$dir/$version:$dir/go.mod")
	if grep -q '^replace' <<<"$text"; then echo "FAILED: $dir/go.mod replaces modules" >&2; exit 1; fi
done
[ "$(git tag --merged HEAD)" = "$version" ] || { echo "FAILED: the modules' release is on the branch, not beside it, or the branch has no tag" >&2; exit 1; }
[ "$(git describe --tags)" = "$version" ] || { echo "FAILED: programs of this commit would be of $(git describe --tags)" >&2; exit 1; }
seen "a tag on the branch for programs and packages, and a commit beside it with a tag for each module and without replace lines"

export GOWORK=off GOFLAGS= GONOSUMDB="$ours/*" GONOSUMCHECK=1 GOMODCACHE=$work/modules GOBIN=$work/bin CGO_ENABLED=0 GOPROXY
GOPROXY=file://$work/proxy,$(go env GOPROXY)
cd "$work"
for command in services/quorate/cmd/quorate{,-consensus,-lease,-watch,-api} services/ctl/cmd/quorate{ctl,utl} deploy/stack; do
	go install -trimpath -tags=grpcnotrace "$ours/$command@$version"
	seen "go install $ours/$command@$version"
done
for command in quorate{,-consensus,-lease,-watch,-api} stack; do
	"$work/bin/$command" --version | grep -F "$version" || { echo "FAILED: $command does not say that it is $version" >&2; exit 1; }
done
for command in quoratectl quorateutl; do
	"$work/bin/$command" version | grep -F "$version" || { echo "FAILED: $command does not say that it is $version" >&2; exit 1; }
done
seen "each command says that it is of $version"

mkdir outside && cd outside
go mod init example.com/outside 2>/dev/null
cat >outside_test.go <<'GO'
package outside

import (
	"context"
	"testing"
	"time"

	"github.com/quoratedb/quorate/services/quorate/quoratetest"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestStore(t *testing.T) {
	store := quoratetest.New(t)
	client, err := clientv3.New(clientv3.Config{Endpoints: store.Endpoints(), DialTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Put(context.Background(), "k", "v"); err != nil {
		t.Fatal(err)
	}
}
GO
go get "$ours/services/quorate@$version" go.etcd.io/etcd/client/v3
go mod tidy
go test -vet=off -tags=grpcnotrace ./...
if grep -q '^replace' go.mod; then echo "FAILED: the outside module needs replace lines" >&2; exit 1; fi
seen "an outside module embeds quoratetest, tidied: $(grep "$ours/services/quorate" go.mod)"

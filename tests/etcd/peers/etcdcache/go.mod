// etcd's tests module names this module, which was never published on its own; nothing that we build uses it.
module go.etcd.io/etcd/cache/v3

go 1.26.0

"""A user of python-etcd, which speaks the v2 API, with a password."""

import sys
import threading

import etcd

host, port = sys.argv[1].rsplit(":", 1)


def client(**who):
    return etcd.Client(host=host, port=int(port), read_timeout=20, **who)


def refused(call):
    try:
        call()
    except etcd.EtcdInsufficientPermissions:
        return
    raise AssertionError("not refused")


refused(lambda: client(username="ann", password="wrong").read("/ann/k"))
print("a wrong password is refused")

refused(lambda: client().read("/ann/k"))
print("nobody is refused")

c = client(username="ann", password="secret")
made = c.write("/ann/dir/k", "v1")
assert c.read("/ann/dir/k").value == "v1"
assert [r.key for r in c.read("/ann/dir", recursive=True).leaves] == ["/ann/dir/k"]
changed = []
watcher = threading.Thread(target=lambda: changed.append(c.watch("/ann/dir/k", index=made.modifiedIndex + 1)))
watcher.start()
assert c.test_and_set("/ann/dir/k", "v2", "v1").value == "v2"
watcher.join()
assert changed[0].value == "v2"
print("writes, reads and watches what it may")

c.write("/ann/leased", "v", ttl=60)
assert 0 < c.read("/ann/leased").ttl <= 60
print("times to live")

refused(lambda: c.write("/other", "v"))
refused(lambda: c.read("/other"))
print("what it may not is refused")

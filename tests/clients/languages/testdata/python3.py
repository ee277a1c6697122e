"""A user of python-etcd3, with a password."""

import sys
import threading

import etcd3

host, port = sys.argv[1].rsplit(":", 1)


def client(**who):
    return etcd3.client(host=host, port=int(port), ca_cert=sys.argv[2], timeout=20, **who)


def refused(said, call):
    try:
        call()
    except Exception as e:
        # Some errors are gRPC's own, some the library's, whose cause they are.
        texts = [str(x) for x in (e, e.__cause__, e.__context__) if x]
        assert any(said in t for t in texts), texts
        return
    raise AssertionError("not refused: " + said)


refused("authentication failed", lambda: client(user="ann", password="wrong"))
print("a wrong password is refused")

refused("user name is empty", lambda: client().get("/ann/k"))
print("nobody is refused")

c = client(user="ann", password="secret")
events, cancel = c.watch_prefix("/ann/")
c.put("/ann/k", "v1")
assert c.get("/ann/k")[0] == b"v1"
assert c.transaction(
    compare=[c.transactions.value("/ann/k") == "v1"],
    success=[c.transactions.put("/ann/k", "v2")],
    failure=[],
)[0]
assert [e.value for _, e in zip(range(2), events)] == [b"v1", b"v2"]
cancel()
print("writes, reads and watches what it may")

lease = c.lease(60)
c.put("/ann/leased", "v", lease)
assert lease.refresh()[0].TTL == 60
lease.revoke()
assert c.get("/ann/leased")[0] is None
print("leases")

lock = c.lock("ann", ttl=60)
assert lock.acquire(timeout=20)
assert lock.is_acquired()
done = threading.Thread(target=lock.release)
done.start()
done.join()
print("locks")

refused("permission denied", lambda: c.put("/other", "v"))
refused("permission denied", lambda: c.get("/other"))
print("what it may not is refused")

// A user of etcd3 for Node, with a password.
const assert = require("node:assert");
const { Etcd3 } = require("etcd3");

const hosts = "http://" + process.argv[2];
const client = (auth) => new Etcd3({ hosts, auth });

async function main() {
  const wrong = client({ username: "ann", password: "wrong" });
  await assert.rejects(wrong.get("/ann/k"), /authentication failed/);
  console.log("a wrong password is refused");

  const nobody = client();
  await assert.rejects(nobody.get("/ann/k"), /user name is empty/);
  console.log("nobody is refused");

  const c = client({ username: "ann", password: "secret" });
  const watcher = await c.watch().prefix("/ann/").create();
  const seen = new Promise((resolve) => {
    const values = [];
    watcher.on("put", (kv) => values.push(kv.value.toString()) === 2 && resolve(values));
  });
  await c.put("/ann/k").value("v1");
  assert.equal(await c.get("/ann/k").string(), "v1");
  const { succeeded } = await c.if("/ann/k", "Value", "==", "v1").then(c.put("/ann/k").value("v2")).commit();
  assert(succeeded);
  assert.deepEqual(await seen, ["v1", "v2"]);
  await watcher.cancel();
  console.log("writes, reads and watches what it may");

  const lease = c.lease(60);
  await lease.put("/ann/leased").value("v");
  await lease.keepaliveOnce();
  await lease.revoke();
  assert.equal(await c.get("/ann/leased").string(), null);
  console.log("leases");

  const lock = await c.lock("/ann/lock").ttl(60).acquire();
  await lock.release();
  const elected = await new Promise((resolve, reject) => {
    const campaign = c.election("ann", 60).campaign("me");
    campaign.on("elected", () => resolve(campaign));
    campaign.on("error", reject);
  });
  await elected.resign();
  console.log("locks");

  await assert.rejects(c.put("/other").value("v"), /permission denied/);
  await assert.rejects(c.get("/other"), /permission denied/);
  console.log("what it may not is refused");
  for (const one of [wrong, nobody, c]) one.close();
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});

// A quorate of its own for each test file: free ports, a directory that is removed, and a process that is ended by its id.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = process.env.QUORATE_TEST_SERVER ?? join(import.meta.dirname, '../../../../bin/quorate');

async function freePorts(n) {
  const held = await Promise.all(Array.from({ length: n }, () => new Promise((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(0, '127.0.0.1', () => done(server));
  })));
  const ports = held.map((server) => server.address().port);
  await Promise.all(held.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

export class Server {
  static async start({ name = 'default', cluster = '', peer = undefined, args = [] } = {}) {
    const server = new Server();
    const [client, own] = await freePorts(2);
    server.url = `http://127.0.0.1:${client}`;
    server.peerURL = peer ?? `http://127.0.0.1:${own}`;
    server.joins = !!cluster; // a learner lives, and is not ready until it is promoted
    server.dir = await mkdtemp(join(tmpdir(), 'quorate-console-'));
    server.args = [
      '--name', name, '--data-dir', server.dir, '--listen-client-urls', server.url, '--advertise-client-urls', server.url, '--listen-peer-urls', server.peerURL,
      '--initial-advertise-peer-urls', server.peerURL, '--initial-cluster', cluster ? `${cluster},${name}=${server.peerURL}` : `${name}=${server.peerURL}`, '--initial-cluster-state', cluster ? 'existing' : 'new', ...args,
    ];
    await server.run();
    return server;
  }

  async run() {
    this.log = '';
    this.process = spawn(program, this.args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const out of [this.process.stdout, this.process.stderr]) out.on('data', (part) => { this.log = (this.log + part).slice(-20_000); });
    this.ended = new Promise((done) => this.process.once('exit', done));
    let over = false;
    void this.ended.then(() => { over = true; });
    for (const limit = Date.now() + 60_000; ;) {
      const fine = await fetch(`${this.url}/${this.joins ? 'livez' : 'readyz'}`).then((answer) => answer.ok, () => false);
      if (fine) return;
      if (over || Date.now() > limit) {
        this.process.kill('SIGKILL');
        throw new Error(`quorate does not serve:\n${this.log.slice(-2000)}`);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  async stop() {
    this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), 10_000);
    await this.ended;
    clearTimeout(timer);
    await rm(this.dir, { recursive: true, force: true });
  }

  async call(method, request = {}, token = '') {
    const answer = await fetch(`${this.url}/${method}`, { method: 'POST', headers: { 'content-type': 'application/json', ...(token && { authorization: token }) }, body: JSON.stringify(request) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method}: ${text}`);
    return JSON.parse(text);
  }

  put(key, value, more = {}) { return this.call('etcdserverpb.KV/Put', { key: b64(key), value: b64(value), ...more }); }
  delete(key) { return this.call('etcdserverpb.KV/DeleteRange', { key: b64(key) }); }
  /** The value of a key, undefined where there is none. */
  async get(key) {
    const { kvs } = await this.call('etcdserverpb.KV/Range', { key: b64(key) });
    return kvs && Buffer.from(kvs[0].value ?? '', 'base64').toString();
  }
  async lease(ttl) { return (await this.call('etcdserverpb.Lease/LeaseGrant', { TTL: String(ttl) })).ID; }
}

export const b64 = (value) => Buffer.from(value).toString('base64');

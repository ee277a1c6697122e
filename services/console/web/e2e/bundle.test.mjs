// What is committed is what the sources give, byte for byte, and small enough.
import assert from 'node:assert/strict';
import { readdir, readFile, rm } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const root = join(import.meta.dirname, '..');

async function files(dir) {
  const names = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((e) => e.isFile()).map((e) => join(e.parentPath ?? e.path, e.name)).sort();
  return new Map(await Promise.all(names.map(async (name) => [name.slice(dir.length + 1), await readFile(name)])));
}

test('the committed files are 60 KB at most, compressed', async () => {
  let all = 0;
  for (const content of (await files(join(root, 'dist'))).values()) all += gzipSync(content, { level: 9 }).length;
  console.log(`${all} bytes compressed`);
  assert.ok(all <= 60_000, `${all} bytes`);
});

test('a build gives the committed files', async () => {
  const dir = join(root, 'build', `dist-${process.pid}`);
  try {
    execFileSync(process.execPath, ['build.mjs', `build/dist-${process.pid}`], { cwd: root });
    const [made, committed] = [await files(dir), await files(join(root, 'dist'))];
    assert.deepEqual([...made.keys()], [...committed.keys()]);
    for (const [name, content] of made) assert.ok(content.equals(committed.get(name)), `${name} differs: run npm run build`);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

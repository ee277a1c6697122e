// What was is found and put back: versions, deletions, whole prefixes; and what is done with many keys is seen before.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { accessible, Browser, shot } from './browser.mjs';
import { Server } from './server.mjs';

let server, browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), Browser.start()]); });
after(async () => { await browser?.stop(); await server?.stop(); });

test('any two versions of a key are compared, and one is put back', async () => {
  for (const n of [1, 2, 3]) await server.put('/app/config', `replicas: ${n}\nimage: app\n`);
  const page = await browser.open(server, '#/history');
  await page.getByText('Type a key to see what it was').waitFor();
  await shot(page, 'history-empty');
  await page.getByLabel('Key to see the history of').fill('/app/config');
  await page.keyboard.press('Enter');
  await page.getByRole('row').nth(3).waitFor();
  assert.match(await page.getByLabel('Difference').innerText(), /replicas: 2[^]*replicas: 3/);
  await page.getByRole('radio', { name: /^from revision/ }).nth(2).check();
  assert.match(await page.getByLabel('Difference').innerText(), /replicas: 1[^]*replicas: 3/);
  await page.getByRole('row').nth(3).click();
  await page.getByRole('radio', { name: /^Value at/ }).click();
  assert.match(await page.getByLabel('Value', { exact: true }).innerText(), /replicas: 1/);
  await shot(page, 'history-versions');
  await accessible(page, 'versions');
  await page.getByRole('button', { name: /^Put back revision/ }).click();
  await page.getByRole('button', { name: 'Put back (1)' }).waitFor();
  await page.getByRole('button', { name: /\/app\/config/ }).click();
  await page.getByLabel('Difference').last().waitFor();
  await shot(page, 'history-preview');
  await page.getByRole('button', { name: 'Put back (1)' }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  assert.equal(await server.get('/app/config'), 'replicas: 1\nimage: app\n');
  await page.close();
  browser.check();
});

test('what was deleted below a prefix is found, and brought back', async () => {
  for (const n of [1, 2, 3]) await server.put(`/gone/${n}`, `value ${n}`);
  for (const n of [1, 2, 3]) await server.delete(`/gone/${n}`);
  const page = await browser.open(server, '#/history?tab=deleted&prefix=/gone/');
  await page.getByRole('link', { name: '/gone/2' }).waitFor();
  await shot(page, 'history-deleted');
  await accessible(page, 'what was deleted');
  await page.getByRole('row', { name: /\/gone\/2/ }).getByRole('button', { name: 'Bring back' }).click();
  await page.getByRole('button', { name: 'Put back (1)' }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText('Brought back.').waitFor();
  assert.deepEqual([await server.get('/gone/1'), await server.get('/gone/2')], [undefined, 'value 2']);
  await page.getByRole('row', { name: /\/gone\/1/ }).getByRole('button', { name: 'All to before this' }).click();
  await page.getByRole('button', { name: 'Put back (2)' }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText('Nothing was deleted here').waitFor();
  assert.equal(await server.get('/gone/3'), 'value 3');
  await page.close();
  browser.check();
});

test('a folder is exported, deleted after a preview that conflicts stop, and imported again', async () => {
  for (let n = 0; n < 30; n++) await server.put(`/bulk/${n}`, `value ${n}`);
  await server.put('/bulk/raw', Buffer.from([255, 0, 1]));
  const page = await browser.open(server, '#/keys?folder=/bulk/');
  await page.getByText('31', { exact: true }).first().waitFor();
  await page.getByRole('button', { name: 'Export' }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export', exact: true }).last().click()]);
  const lines = (await readFile(await download.path(), 'utf8')).trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(lines.length, 33);
  assert.equal(lines[0].quorate_export, 1);
  assert.equal(lines.at(-1).keys, 31);
  assert.equal(lines.find((line) => line.key === '/bulk/raw').value_base64, '/wAB');
  await page.getByText('Exported').waitFor();
  await shot(page, 'keys-export');
  await page.getByRole('button', { name: 'Close' }).click();

  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete (31)' }).waitFor();
  await shot(page, 'keys-delete-preview');
  await accessible(page, 'a preview');
  await server.put('/bulk/7', 'changed meanwhile');
  await page.getByRole('button', { name: 'Delete (31)' }).click();
  await page.getByText('1 key had changed meanwhile and was left alone').waitFor();
  await shot(page, 'keys-delete-conflict');
  assert.deepEqual([await server.get('/bulk/7'), await server.get('/bulk/8')], ['changed meanwhile', undefined]);
  await page.getByRole('button', { name: 'Done' }).click();

  await page.getByRole('button', { name: 'Import' }).click();
  await page.getByLabel('or lines, typed or pasted').fill('{"key":"/bulk/7"\n');
  await page.getByText('Line 1: this is no JSON').waitFor();
  await page.getByLabel('A file of JSON lines').setInputFiles(await download.path());
  await page.getByText('has 31 keys').waitFor();
  await page.getByRole('button', { name: 'Preview' }).click();
  await page.getByRole('button', { name: 'Import (31)' }).waitFor();
  await shot(page, 'keys-import-preview');
  await page.getByRole('button', { name: 'Import (31)' }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  assert.deepEqual([await server.get('/bulk/7'), await server.get('/bulk/29')], ['value 7', 'value 29']);
  const raw = await server.call('etcdserverpb.KV/Range', { key: Buffer.from('/bulk/raw').toString('base64') });
  assert.equal(raw.kvs[0].value, '/wAB');
  await page.close();
  browser.check();
});

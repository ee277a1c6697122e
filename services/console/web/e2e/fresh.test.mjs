// A page is of now, or says that it is not: what others change comes by itself, what is being typed stays, and a server that is away is told.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, Browser, fits, shot } from './browser.mjs';
import { Server } from './server.mjs';

let server, browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), Browser.start()]); });
after(async () => { await browser?.stop(); await server?.stop(); });

const item = (page, name) => page.getByRole('treeitem', { name, exact: true });

test('a key, the tree and a folder show what others make of them', async () => {
  await server.put('/fresh/a', 'one');
  const page = await browser.open(server, '#/keys?key=/fresh/a');
  const value = page.getByLabel('Value', { exact: true });
  await value.getByText('one').waitFor();
  await server.put('/fresh/a', 'two');
  await value.getByText('two').waitFor();
  await server.put('/fresh/a', 'three');
  await value.getByText('three').waitFor();
  await server.put('/fresh/b', 'x');
  await item(page, 'b').waitFor();
  await server.delete('/fresh/a');
  await page.getByText('There is no such key').waitFor();
  await item(page, 'a').waitFor({ state: 'detached' });
  await server.put('/fresh/a', 'back');
  await value.getByText('back').waitFor();
  await page.goto(`${server.url}/console/#/keys?folder=/fresh/`);
  const keys = page.getByRole('article', { name: 'Folder' }).locator('.facts dd');
  await keys.getByText('2', { exact: true }).waitFor();
  await server.put('/fresh/c', 'x');
  await keys.getByText('3', { exact: true }).waitFor();
  await page.close();
  browser.check();
});

test('what is typed stays while others change the key, and delete it', async () => {
  await server.put('/typed/key', 'one\ntwo\n');
  const page = await browser.open(server, '#/keys?key=/typed/key');
  await page.getByRole('button', { name: 'Edit' }).click();
  const field = page.getByLabel('Value', { exact: true });
  await field.fill('one\nmine\n');
  await server.put('/typed/key', 'theirs\ntwo\n');
  await page.getByText('Somebody has changed this key while you edit').waitFor();
  assert.equal(await field.inputValue(), 'one\nmine\n');
  for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
    await page.setViewportSize({ width, height: width < 500 ? 844 : 800 });
    await page.emulateMedia({ colorScheme: scheme });
    await shot(page, `fresh-typed-${width}-${scheme}`);
    await accessible(page, `a key that was changed meanwhile, ${width} wide, ${scheme}`);
    await fits(page, 'a key that was changed meanwhile');
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole('button', { name: 'Merge' }).click();
  await page.getByRole('dialog').getByText('It is of revision').waitFor();
  await page.getByRole('button', { name: 'Go on editing the result' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await field.inputValue(), 'theirs\nmine\n');
  await server.delete('/typed/key');
  await page.getByText('Somebody has deleted this key while you edit').waitFor();
  assert.equal(await field.inputValue(), 'theirs\nmine\n');
  await page.getByRole('button', { name: 'What now?' }).click();
  await page.getByRole('button', { name: 'Make it again with mine' }).click();
  await page.getByText('Saved at revision').waitFor();
  assert.equal(await server.get('/typed/key'), 'theirs\nmine\n');
  await page.close();
  browser.check();
});

test('the cursor stays on its key, and a tree that is scrolled does not move, but says that it is old', async () => {
  for (let from = 0; from < 400; from += 100) {
    await server.call('etcdserverpb.KV/Txn', { success: Array.from({ length: 100 }, (_, n) => ({ requestPut: { key: Buffer.from(`/rows/${1000 + from + n}`).toString('base64'), value: '' } })) });
  }
  const page = await browser.open(server, '#/keys?q=/rows/&by=begins');
  await item(page, '/rows/1000').waitFor();
  await page.getByRole('tree').focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowDown');
  await server.put('/rows/0', 'before all');
  await item(page, '/rows/0').waitFor();
  await page.locator('.tree-row.cursor', { hasText: '/rows/1001' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: '/rows/1001' }).waitFor();
  await page.getByRole('tree').evaluate((tree) => { tree.scrollTop = 4000; });
  await item(page, '/rows/1150').waitFor();
  await server.put('/rows/00', 'before all');
  const line = page.locator('.status').getByText(/Changed since, at revision \d+/);
  await line.waitFor();
  await shot(page, 'fresh-changed-since');
  await accessible(page, 'a tree that has changed since');
  await item(page, '/rows/1150').waitFor();
  await page.getByRole('button', { name: 'Read again' }).first().click();
  await line.waitFor({ state: 'detached' });
  await page.close();
  browser.check();
});

test('a server that was killed is told on every page, with since when, and what it has then is shown', async () => {
  await server.put('/away/key', 'before');
  const page = await browser.open(server, '#/keys?key=/away/key');
  const value = page.getByLabel('Value', { exact: true });
  await value.getByText('before').waitFor();
  const other = await browser.open(server, '#/access');
  await other.getByText('Authentication is not enabled').waitFor();
  await server.kill();
  for (const one of [page, other]) await one.getByText(/Not connected since \d\d:\d\d:\d\d/).waitFor();
  for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
    await page.setViewportSize({ width, height: width < 500 ? 844 : 800 });
    await page.emulateMedia({ colorScheme: scheme });
    await shot(page, `fresh-away-${width}-${scheme}`);
    await accessible(page, `a server that is away, ${width} wide, ${scheme}`);
    await fits(page, 'a server that is away');
  }
  assert.equal(await value.innerText(), 'before', 'what was read is still there');
  await server.run();
  await server.put('/away/key', 'after');
  await value.getByText('after').waitFor();
  for (const one of [page, other]) await one.getByText('Not connected since').waitFor({ state: 'detached' });
  await page.close();
  await other.close();
  browser.check();
});

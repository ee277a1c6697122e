// Changes are seen as they come, and a server that was killed and started again leaves no gap.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, Browser, shot } from './browser.mjs';
import { Server } from './server.mjs';

let server, browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), Browser.start()]); });
after(async () => { await browser?.stop(); await server?.stop(); });

const events = (page) => page.locator('button.event');

test('a prefix is watched, paused and filtered, with what each change changed', async () => {
  const page = await browser.open(server, '#/live');
  await page.getByText('Type a key or a prefix').waitFor();
  await shot(page, 'live-empty');
  await page.getByLabel('What to watch').fill('/live/');
  await page.keyboard.press('Enter');
  await page.getByText('watching from revision').waitFor();
  await server.put('/live/a', 'one\ntwo\n');
  await server.put('/live/a', 'one\nTWO\n');
  await server.put('/elsewhere', 'x');
  await server.delete('/live/a');
  await events(page).nth(2).waitFor();
  assert.deepEqual(await page.locator('button.event .badge').allInnerTexts(), ['deleted', 'changed', 'made']);
  await events(page).nth(1).click();
  assert.match(await page.getByLabel('Difference').innerText(), /two[^]*TWO/);
  await shot(page, 'live');
  await accessible(page, 'live');
  await page.locator('h1').first().evaluate(() => document.activeElement?.blur());
  await page.keyboard.press('p');
  await server.put('/live/b', 'unseen');
  await page.getByRole('button', { name: 'Go on (1 new)' }).waitFor();
  assert.equal(await events(page).count(), 3);
  await page.keyboard.press('p');
  await events(page).nth(3).waitFor();
  await page.getByLabel('Filter', { exact: true }).fill('/live/b');
  await page.waitForFunction(() => document.querySelectorAll('button.event').length === 1);
  await page.close();
  browser.check();
});

test('after kill -9 and a start the watch goes on without a gap, and without telling anything twice', async () => {
  const page = await browser.open(server, '#/live?prefix=/kept/');
  await page.getByText('watching from revision').waitFor();
  for (let n = 0; n < 5; n++) await server.put('/kept/key', `before ${n}`);
  await events(page).nth(4).waitFor();
  await server.kill();
  await page.getByText('connection lost, trying again').first().waitFor();
  await shot(page, 'live-lost');
  await server.run();
  for (let n = 0; n < 5; n++) await server.put('/kept/key', `after ${n}`);
  await page.getByText('connected again').waitFor();
  await events(page).nth(9).waitFor();
  const revisions = (await page.locator('button.event .rev').allInnerTexts()).map(Number);
  assert.equal(revisions.length, 10);
  assert.deepEqual(revisions, Array.from({ length: 10 }, (_, i) => revisions[0] - i), 'each revision once, the newest first');
  await shot(page, 'live-resumed');
  await page.close();
  browser.check();
});

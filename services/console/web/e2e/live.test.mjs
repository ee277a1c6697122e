// Changes are seen as they come, and a server that was killed and started again leaves no gap.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, Browser, places, shot } from './browser.mjs';
import { b64, Server } from './server.mjs';

let server, browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), Browser.start()]); });
after(async () => { await browser?.stop(); await server?.stop(); });

const events = (page) => page.locator('button.event');
/** The changes of one revision. A text in them is no way to find them: on a slow machine there are so few revisions that one is written like a minute. */
const at = (page, revision) => events(page).filter({ has: page.locator('.rev').getByText(revision, { exact: true }) });

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
  const beside = await places(page.locator('.toolbar > *'));
  await page.keyboard.press('p');
  await server.put('/live/b', 'unseen');
  await page.getByRole('button', { name: 'Go on (1 new)' }).waitFor();
  assert.deepEqual(await places(page.locator('.toolbar > *')), beside, 'what is counted moves nothing');
  assert.equal(await events(page).count(), 3);
  await page.keyboard.press('p');
  await events(page).nth(3).waitFor();
  await page.getByLabel('Filter', { exact: true }).fill('/live/b');
  await page.waitForFunction(() => document.querySelectorAll('button.event').length === 1);
  await page.getByRole('button', { name: 'Stop watching /live/…' }).click();
  await page.getByLabel('What to watch').fill('');
  await page.keyboard.press('Enter');
  await page.getByRole('list', { name: 'Watched' }).getByText('all keys', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Stop watching all keys' }).waitFor();
  await page.close();
  browser.check();
});

test('after kill -9 and a start the watch goes on without a gap, and without telling anything twice', async () => {
  const page = await browser.open(server, '#/live?prefix=/kept/');
  await page.getByText('watching from revision').waitFor();
  for (let n = 0; n < 5; n++) await server.put('/kept/key', `before ${n}`);
  await events(page).nth(4).waitFor();
  await page.goto(`${server.url}/console/#/cluster`); // opens the stream anew
  await page.getByRole('region', { name: 'default' }).waitFor();
  await page.goto(`${server.url}/console/#/live`);
  await events(page).nth(4).waitFor();
  await page.getByText('0 changes a second', { exact: true }).waitFor();
  assert.equal(await page.getByText('connected again').count(), 0, 'no connection was lost');
  await server.kill();
  await page.getByText('connection lost, trying again').waitFor();
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

test('one key is watched from its page, and what comes too fast to be read is passed over, and told', async () => {
  await server.put('/fast/one', '0');
  await server.put('/fast/other', '0');
  const page = await browser.open(server, '#/keys?key=/fast/one');
  await page.getByRole('link', { name: 'Watch' }).click();
  await page.getByText('watching from revision').waitFor();
  await server.put('/fast/other', '1');
  await server.put('/fast/one', '1');
  await events(page).first().waitFor();
  assert.deepEqual(await page.locator('button.event .clip').allInnerTexts(), ['/fast/one']);
  await page.getByLabel('What to watch').fill('/fast/');
  await page.keyboard.press('Enter');
  await page.getByText('watching from revision').nth(1).waitFor();
  let writing = true;
  const success = Array.from({ length: 100 }, (_, i) => ({ requestPut: { key: b64(`/fast/many/${i}`), value: b64('x') } }));
  const writers = Array.from({ length: 4 }, async () => { while (writing) await server.call('etcdserverpb.KV/Txn', { success }); });
  await page.getByText(/passed over: revisions \d+ to \d+/).nth(1).waitFor();
  await page.getByText(/a sample of [\d,.]+ revisions a second/).waitFor();
  await shot(page, 'live-fast');
  writing = false;
  await Promise.all(writers);
  await page.getByText('0 changes a second', { exact: true }).waitFor();
  const { header } = await server.put('/fast/one', 'the last');
  await at(page, header.revision).first().click();
  await page.getByLabel('Difference').getByText('the last').waitFor();
  await page.close();
  browser.check();
});

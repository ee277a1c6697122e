// The members are seen and changed, each change behind a question that names what it means; and what was measured is drawn.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, Browser, shot } from './browser.mjs';
import { Server } from './server.mjs';

let server, second, browser;
before(async () => { [server, browser] = await Promise.all([Server.start({ name: 'one' }), Browser.start()]); });
after(async () => { await browser?.stop(); await second?.stop(); await server?.stop(); });

test('a member is added as a learner, promoted, made leader, and the other one removed', async () => {
  const page = await browser.open(server, '#/cluster');
  await page.getByRole('heading', { name: 'one' }).waitFor();
  await shot(page, 'cluster-one');
  await page.getByRole('button', { name: 'Add a member' }).click();
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  await page.getByLabel('Where it will be for the others').fill('nowhere');
  await page.getByText('nowhere is no address').waitFor();
  await page.getByLabel('Where it will be for the others').fill(`http://127.0.0.1:${port}`);
  await page.getByLabel(/As a learner/).uncheck();
  await page.getByText('There are 2 voters then, of which 2 must answer for anything to be written: with 1 member away, nothing can be.').waitFor();
  await page.getByLabel(/As a learner/).check();
  await shot(page, 'cluster-add');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByText('It waits to be started').waitFor();
  assert.match(await page.locator('pre.boxed').innerText(), new RegExp(`--initial-cluster .*NAME=http://127.0.0.1:${port}`));
  await page.getByRole('button', { name: 'Close' }).click();
  second = await Server.start({ name: 'two', cluster: `one=${server.peerURL}`, peer: `http://127.0.0.1:${port}` });

  const card = page.getByRole('region', { name: 'two' });
  await card.getByText('learner').waitFor();
  await card.getByRole('button', { name: 'Promote' }).click();
  await page.getByText('There are 2 voters then').waitFor();
  await page.getByRole('button', { name: 'Promote', exact: true }).last().click();
  await page.getByText('two is a voter now.').waitFor();
  await card.getByRole('button', { name: 'Have it lead' }).click();
  await page.getByText('Writes wait for about a second').waitFor();
  await page.getByRole('button', { name: 'Move', exact: true }).click();
  await card.getByText('leader', { exact: true }).waitFor();
  await shot(page, 'cluster-two');
  await accessible(page, 'the members');
  await page.close();

  const other = await browser.open(second, '#/cluster');
  await other.getByRole('region', { name: 'one' }).getByRole('button', { name: 'Remove' }).click();
  await other.getByText('There are 1 voter then').waitFor();
  await shot(other, 'cluster-remove');
  await other.getByRole('button', { name: 'Remove', exact: true }).last().click();
  await other.getByText('one is removed.').waitFor();
  await other.getByRole('region', { name: 'one' }).waitFor({ state: 'detached' });
  await other.close();
  browser.check();
});

test('charts are drawn of what the process measures, and pointed at with keys', async () => {
  const page = await browser.open(second, '#/cluster?tab=charts');
  for (let n = 0; n < 50; n++) await second.put(`/charted/${n}`, 'x'.repeat(1000));
  const chart = page.getByRole('img', { name: /^Changes: puts/ });
  await chart.waitFor({ timeout: 45_000 });
  await page.waitForFunction(() => /puts (?!0\.0)[\d.]+\/s/.test(document.querySelector('.plot')?.getAttribute('aria-label') ?? ''), undefined, { timeout: 45_000 });
  assert.ok(await page.getByRole('img', { name: /^(Time|Memory|Size|Disk)/ }).count() >= 4);
  await chart.focus();
  await page.keyboard.press('ArrowLeft');
  await page.locator('.plot .cursor').first().waitFor({ state: 'attached' });
  await shot(page, 'cluster-charts');
  await accessible(page, 'charts');
  await page.close();
  browser.check();
});

test('the slowest requests are listed by method', async () => {
  const page = await browser.open(second, '#/cluster?tab=slow');
  await page.getByRole('radio', { name: 'Slowest requests' }).waitFor();
  await page.getByText(/Nothing was slow|The ten slowest of each method/).first().waitFor();
  await shot(page, 'cluster-slow');
  await accessible(page, 'slow requests');
  await page.close();
  browser.check();
});

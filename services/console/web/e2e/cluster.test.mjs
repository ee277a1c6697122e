// The members are seen and changed, each change behind a question that names what it means; and what was measured is drawn.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, Browser, places, shot } from './browser.mjs';
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
  await page.getByRole('dialog').getByRole('button', { name: 'Promote', exact: true }).click();
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
  const removed = other.getByText('one is removed.');
  while (!await removed.isVisible()) { // members that have been connected for less than five seconds are not removed
    await other.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
    await removed.or(other.getByRole('dialog').getByText('etcdserver: unhealthy cluster')).waitFor();
  }
  await other.getByRole('region', { name: 'one' }).waitFor({ state: 'detached' });
  await other.close();
  browser.check();
});

test('an alarm is shown with what it means, and taken back behind a question', async () => {
  const { header } = await second.call('etcdserverpb.Maintenance/Status');
  await second.call('etcdserverpb.Maintenance/Alarm', { action: 'ACTIVATE', memberID: header.memberId, alarm: 'NOSPACE' });
  const page = await browser.open(second, '#/cluster');
  await page.getByText('Alarm: NOSPACE').waitFor();
  await page.getByText('takes no puts').waitFor();
  await shot(page, 'cluster-alarm');
  await accessible(page, 'an alarm');
  await assert.rejects(second.put('/full', 'x'), /database space exceeded/);
  // It is marked in the charts with the next point that is measured while it is raised.
  for (let marked = false; !marked;) {
    const { marks = [] } = await second.call('quorate.console.v1.ConsoleService/Series', { names: ['puts'] });
    marked = marks.some((m) => m.kind === 'KIND_ALARM' && m.text === 'alarm: NOSPACE');
    if (!marked) await new Promise((done) => setTimeout(done, 200));
  }
  await page.getByRole('button', { name: 'Take the alarm back' }).click();
  await page.getByText('Puts are taken again').waitFor();
  await page.getByRole('button', { name: 'Take it back' }).click();
  await page.getByText('Alarm: NOSPACE').waitFor({ state: 'detached' });
  const put = await second.put('/full', 'no longer');
  await second.call('etcdserverpb.KV/Compact', { revision: put.header.revision });
  await page.close();
  browser.check();
});

test('charts are drawn of what the process measures, and pointed at with keys', async () => {
  const page = await browser.open(second, '#/cluster?tab=charts');
  for (let n = 0; n < 50; n++) await second.put(`/charted/${n}`, 'x'.repeat(1000));
  const chart = page.getByRole('img', { name: /^Changes: puts/ });
  await chart.waitFor({ timeout: 45_000 });
  await page.waitForFunction(() => /puts (?!0\.0)[\d.]+\/s/.test(document.querySelector('.plot')?.getAttribute('aria-label') ?? ''), undefined, { timeout: 45_000 });
  assert.ok(await page.getByRole('img', { name: /^(Time|Memory|Size|Disk)/ }).count() >= 4);
  for (const kind of ['LEADER', 'ALARM', 'COMPACTION']) await page.locator(`.plot .mark.KIND_${kind}`).first().waitFor({ state: 'attached', timeout: 45_000 });
  const legends = page.locator('.legend li');
  const before = await places(legends);
  await chart.focus();
  await page.keyboard.press('ArrowLeft');
  await page.locator('.plot .cursor').first().waitFor({ state: 'attached' });
  assert.deepEqual(await places(legends), before, 'other values move nothing');
  await shot(page, 'cluster-charts');
  await accessible(page, 'charts');
  await page.close();
  browser.check();
});

test('the slowest requests are listed by method, with who, which keys, and where the time of a write went', async () => {
  const page = await browser.open(second, '#/cluster?tab=slow');
  const put = page.getByRole('region', { name: 'etcdserverpb.KV/Put' });
  const phases = put.getByRole('img', { name: /commit \d/ });
  for (;;) { // until some take a millisecond
    await Promise.all(Array.from({ length: 16 }, () => second.put('/slow/secret-key', 'secret value'.repeat(10_000))));
    await page.reload();
    await page.getByText(/Nothing was slow|The ten slowest of each method/).first().waitFor();
    if (await put.getByText('/slow/').count() && await phases.count()) break;
  }
  assert.doesNotMatch(await page.locator('main').innerText(), /secret/);
  await shot(page, 'cluster-slow');
  await accessible(page, 'slow requests');
  await page.close();
  browser.check();
});

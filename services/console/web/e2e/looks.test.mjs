// Each page at 1280 and 390 wide, light and dark: nothing is cut off, nothing that axe finds is serious, and it can be read at 400 %.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, Browser, fits, shot } from './browser.mjs';
import { Server } from './server.mjs';

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([Server.start(), Browser.start()]);
  const long = '/very/long/' + 'a-name-that-goes-on-and-on/'.repeat(8) + 'end';
  await server.put(long, 'word '.repeat(400) + 'x'.repeat(2000));
  for (const env of ['staging', 'production']) for (const app of ['billing', 'checkout', 'search']) await server.put(`/config/${env}/${app}`, JSON.stringify({ replicas: 3, image: `registry.example/${app}:1.4.2`, limits: { cpu: '500m', memory: '256Mi' }, on: true }));
  await server.put('/config/production/billing', JSON.stringify({ replicas: 5, image: 'registry.example/billing:1.5.0', limits: { cpu: '500m', memory: '512Mi' }, on: true }));
  await server.put('/zürich/☃', 'grüezi');
  await server.put('/tmp/gone', 'bye');
  await server.delete('/tmp/gone');
  for (const name of ['worker-1', 'worker-2']) {
    const lease = await server.lease(3600);
    await server.put(`/election/scheduler/${BigInt(lease).toString(16)}`, name, { lease });
  }
});
after(async () => { await browser?.stop(); await server?.stop(); });

const long = encodeURIComponent('/very/long/' + 'a-name-that-goes-on-and-on/'.repeat(8) + 'end');
const pages = [
  ['keys', '#/keys', 'config/'], ['key', '#/keys?key=/config/production/billing', '"replicas": 5'], ['key-long', `#/keys?key=${long}`, 'word word'], ['folder', '#/keys?folder=/config/', 'New key here'], ['new', '#/keys?make=/config/', 'Review and make'],
  ['search', '#/keys?q=bill', '/config/staging/'], ['search-none', '#/keys?q=nothing-has-this', 'No key has that'],
  ['history', '#/history?key=/config/production/billing', 'made'], ['changes', '#/history?tab=changes', '/tmp/gone'], ['deleted', '#/history?tab=deleted', '/tmp/gone'], ['leases', '#/leases', '1 h'], ['locks', '#/leases?tab=locks', 'worker-1'],
  ['live', '#/live?prefix=/config/', 'watching from revision'], ['cluster', '#/cluster', 'leader'], ['charts', '#/cluster?tab=charts', ''], ['slow', '#/cluster?tab=slow', ''], ['access', '#/access', 'Authentication is not enabled'],
  ['users', '#/access?tab=users', 'There are no users yet'], ['roles', '#/access?tab=roles', 'There are no roles yet'], ['audit', '#/access?tab=audit', 'There is no audit trail'],
];

/** The buttons of tables that stack their cells on a phone which one would have to scroll to. */
const cutOff = (page) => page.locator('.stacks button').evaluateAll((all) => all.filter((e) => e.getBoundingClientRect().right > e.closest('.stacks').getBoundingClientRect().right).map((e) => e.textContent));

for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark'], [320, 'light']]) {
  test(`every page ${width} wide, ${scheme}`, async () => {
    // 320 is what a window of 1280 has at 400 %.
    const page = await browser.open(server, '', { width, height: width === 320 ? 256 : width < 500 ? 844 : 800, scheme });
    for (const [name, hash, text] of pages) {
      await page.goto(`${server.url}/console/${hash}`);
      const place = text ? page.locator('.page').getByText(text) : page.locator('.page [role=radiogroup]');
      await place.first().waitFor({ state: 'attached' });
      const label = `look-${name}-${width}-${scheme}`;
      await shot(page, label);
      await fits(page, label);
      assert.deepEqual(await cutOff(page), [], `what is cut off of ${label}`);
      if (width !== 320) await accessible(page, label);
    }
    await page.close();
    browser.check();
  });
}

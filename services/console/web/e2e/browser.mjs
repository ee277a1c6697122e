// A browser that notes what a page of the console must never do: break its policy, call another host, fail in its script.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const shots = process.env.CONSOLE_SHOTS ?? join(import.meta.dirname, '../../../../bin/console-shots');
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export class Browser {
  static async start(args = []) {
    const own = new Browser();
    own.browser = await chromium.launch({ executablePath, args: ['--no-sandbox', ...args] });
    own.wrong = [];
    await mkdir(shots, { recursive: true });
    return own;
  }

  /** Opens the console of a server; hash is what stands behind # in the address. */
  async open(server, hash = '', { width = 1280, height = 800, scheme = 'light', token = '', ready = '#main, .login' } = {}) {
    const context = await this.browser.newContext({ viewport: { width, height }, colorScheme: scheme, acceptDownloads: true });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const host = new URL(server.url).host;
    page.on('request', (request) => { if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).host !== host) this.wrong.push(`request to ${request.url()}`); });
    page.on('pageerror', (error) => this.wrong.push(`error in the page: ${error.stack}`));
    page.on('console', (message) => { if (/Content Security Policy|Refused to/.test(message.text())) this.wrong.push(message.text()); });
    await page.exposeFunction('noteViolation', (text) => this.wrong.push(text));
    await page.addInitScript((kept) => {
      addEventListener('securitypolicyviolation', (e) => window.noteViolation(`policy broken: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
      if (kept) sessionStorage.setItem('quorate-token', kept);
    }, token);
    await page.goto(`${server.url}/console/${hash}`);
    await page.waitForSelector(ready);
    return page;
  }

  /** Fails with all that pages have done that they must not. */
  check() { assert.deepEqual(this.wrong, []); }

  async stop() { await this.browser.close(); }
}

export const shot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`) });

/** Fails with what axe finds that is serious. */
export async function accessible(page, name) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const serious = found.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
  assert.deepEqual(serious.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 200)} ${n.any[0]?.message ?? n.all[0]?.message ?? ''}`).join(' | ')}`), [], `what axe finds on ${name}`);
}

/** Where elements are in the page: left edge and width of each. */
export const places = (of) => of.evaluateAll((all) => all.map((e) => { const { left, width } = e.getBoundingClientRect(); return [left, width]; }));

/** The page must not be wider than its window. */
export async function fits(page, name) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= window, `${name} is ${wide} wide in a window of ${window}`);
}

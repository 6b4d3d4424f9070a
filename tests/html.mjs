// Opens pages in Chromium: `node tests/html.mjs FOLDER_OF_NODE_MODULES CHROMIUM PAGE…`. Checks that a page fetches nothing
// and logs no errors, and that it shows the failures first, folds the rest, and draws the timeline: on a desktop and on a
// phone, in light and dark mode, with and without scripts. tests/reports.py makes the pages.
import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, executablePath, ...pages] = process.argv.slice(2);
const { chromium } = await import(pathToFileURL(join(resolve(modules), 'node_modules/playwright-core/index.mjs')));
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const screens = [
  { viewport: { width: 1280, height: 900 }, colorScheme: 'light', javaScriptEnabled: true },
  { viewport: { width: 1280, height: 900 }, colorScheme: 'dark', javaScriptEnabled: false },
  { viewport: { width: 380, height: 800 }, colorScheme: 'light', javaScriptEnabled: false },
  { viewport: { width: 380, height: 800 }, colorScheme: 'dark', javaScriptEnabled: true },
];

// Runs in the page. Returns each element with text of its own whose contrast is below WCAG's 4.5.
const faint = () => {
  const channels = (color) => color.match(/[\d.]+/g).slice(0, 3).map(Number);
  const luminance = (color) => {
    const [r, g, b] = channels(color).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return color !== 'rgba(0, 0, 0, 0)' || !element.parentElement ? color : ground(element.parentElement);
  };
  const found = [];
  for (const element of document.body.querySelectorAll('*')) {
    const style = getComputedStyle(element);
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || style.opacity !== '1') continue;
    const [one, other] = [luminance(style.color), luminance(ground(element))].sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < 4.5) found.push(`${element.outerHTML.slice(0, 80)}: ${style.color}`);
  }
  return found;
};

// Runs in the page. Returns the centers of the lanes, and the ends of the visible arrows.
const drawn = () => {
  const timeline = document.querySelector('article.fail .timeline');
  const lanes = [...timeline.querySelectorAll('.lanes span')].map((lane) => lane.getBoundingClientRect());
  const arrows = [...timeline.querySelectorAll('.steps i')].filter((arrow) => arrow.checkVisibility());
  return {
    lanes: lanes.map((box) => box.left + box.width / 2),
    arrows: arrows.map((arrow) => {
      const { left, right } = arrow.getBoundingClientRect();
      return { way: arrow.parentElement.className, left, right };
    }),
  };
};

for (const file of pages) {
  const url = pathToFileURL(resolve(file)).href;
  for (const screen of screens) {
    const context = await browser.newContext({ ...screen, offline: true });
    const page = await context.newPage();
    const trouble = [];
    page.on('console', (message) => trouble.push(message.text()));
    page.on('pageerror', (error) => trouble.push(String(error)));
    page.on('dialog', (dialog) => { trouble.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
    page.on('request', (request) => request.url() === url || trouble.push(request.url()));
    await page.goto(url);
    const count = (selector) => page.locator(selector).count();
    const visible = async (selector) => (await page.locator(selector).filter({ visible: true }).count());

    // The page never scrolls sideways, whatever the texts of a receiver.
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(wide <= room, `${wide} > ${room}`);
    assert.deepEqual(await page.evaluate(faint), []);

    // Failures are shown without a click: what happened and how to fix it. Everything else is folded.
    const failed = await count('article.fail:not(.group article)');
    assert.ok(failed > 0);
    for (const label of ['What happened', 'How to fix it']) assert.equal(await visible(`article dt:text-is("${label}")`), failed, label);
    assert.equal(await visible('article'), failed);
    // The report of a receiver with one defect fits on one screen of a phone.
    if (file.includes('run.html')) {
      const [height, screen] = await page.evaluate(() => [document.documentElement.scrollHeight, innerHeight]);
      assert.ok(failed === 1 && height <= screen, `${failed} failures, ${height} > ${screen}`);
    }
    // Every part can be folded out by the keyboard, and then everything is shown.
    while (await visible('details:not([open]) > summary')) await page.locator('details:not([open]) > summary').filter({ visible: true }).first().press('Enter');
    for (const label of ['Why it matters', 'How to fix it', 'Rests on', 'Again', 'More', 'Took']) {
      assert.equal(await visible(`article dt:text-is("${label}")`), await count('article'), label);
    }
    assert.deepEqual(await page.evaluate(faint), []);

    // The timeline has four lanes, and each arrow runs from the center of one lane to the center of another.
    if (await count('article.fail .lanes')) {
      const { lanes, arrows } = await page.evaluate(drawn);
      assert.equal(lanes.length, 4);
      for (const [way, from] of [['ip', 0], ['pr', 1], ['rs', 2]]) {
        const of = arrows.filter((arrow) => arrow.way === way);
        assert.ok(of.length > 0, way);
        for (const { left, right } of of) {
          assert.ok(Math.abs(left - lanes[from]) < 4, `${way} begins at ${left}, not ${lanes[from]}`);
          assert.ok(Math.abs(right - lanes[from + 1]) < 4, `${way} ends at ${right}, not ${lanes[from + 1]}`);
        }
      }
    }

    // Under several policies, each verdict links to its case.
    for (const link of await page.locator('table a').all()) {
      const target = await link.getAttribute('href');
      assert.equal(await count(`article${target}.${await link.getAttribute('class')}`), 1, target);
    }
    assert.deepEqual(trouble, []);
    await context.close();
  }
  console.log(`${file}: fine`);
}
await browser.close();

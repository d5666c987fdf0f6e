// Looks at pages of `fakequant report` as their readers do: in Chromium, by eye, by keyboard, on a phone, on paper.
// Usage: node page_check.mjs PACKAGES CHROMIUM PAGE.html... ; PACKAGES holds node_modules/playwright-core.
// Prints a line for each check that fails and ends with 1 if any did.
import assert from 'node:assert/strict';
import {createRequire} from 'node:module';
import {readFileSync} from 'node:fs';
import {basename, join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';

const [packages, chromiumPath, ...files] = process.argv.slice(2);
const {chromium} = createRequire(join(resolve(packages), 'x.js'))('playwright-core');

const kLeastContrast = 4.5;  // WCAG 2.2, success criterion 1.4.3

// ---- What runs inside the page.

// Elements with text of their own whose contrast with what is behind them is too low, as sentences.
function faintTexts(least) {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(colour);
  };
  const luminance = ([red, green, blue]) => {
    const linear = [red, green, blue].map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '');
    if (element.closest('tbody tr:nth-child(n+12)')) continue;  // rows look alike
    if (!own || !element.checkVisibility({visibilityProperty: true}) || ['SCRIPT', 'STYLE', 'NOSCRIPT', 'OPTION'].includes(element.tagName)) continue;
    // Words inside coloured cells are chosen with the cell's colour.
    if (element.closest('svg') && element.closest('.mark-text.role-mark:not([class*="ink"])')) continue;
    const style = getComputedStyle(element);
    const colour = rgba(element.closest('svg') ? style.fill : style.color);
    const [low, high] = [luminance(colour), luminance(behind(element))].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < least) faint.push(`${element.tagName}.${element.getAttribute('class')} "${element.textContent.trim().slice(0, 30)}" ${contrast.toFixed(2)}`);
  }
  return [...new Set(faint)].slice(0, 8);
}

// What assistive technology would miss, as sentences.
function unnamed() {
  const problems = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  if (all('h1').length !== 1) problems.push(`${all('h1').length} h1`);
  let level = 0;
  for (const heading of all('h1, h2, h3, h4, h5')) {
    const now = Number(heading.tagName[1]);
    if (now > level + 1) problems.push(`h${now} "${heading.textContent.slice(0, 30)}" after h${level}`);
    level = now;
  }
  for (const control of all('input, select')) {
    if (control.labels.length === 0 && !control.ariaLabel) problems.push(`${control.tagName} without a label`);
  }
  for (const button of all('button')) {
    if (!button.textContent.trim() && !button.ariaLabel) problems.push('a button without words');
  }
  for (const plot of all('.plot')) {
    if (!['img', 'graphics-document'].includes(plot.getAttribute('role')) || !(plot.ariaLabel?.length > 20)) problems.push(`chart ${plot.parentElement.id} without words`);
  }
  for (const box of all('.table-box')) {
    if (!box.ariaLabel || box.tabIndex !== 0) problems.push('a table that keys cannot scroll, or without a name');
  }
  for (const cell of all('th')) {
    if (!cell.scope) problems.push(`th "${cell.textContent}" without scope`);
  }
  const ids = all('[id]').map((element) => element.id);
  for (const id of ids) {
    if (ids.indexOf(id) !== ids.lastIndexOf(id)) problems.push(`two elements with id ${id}`);
  }
  if (!document.documentElement.lang) problems.push('no language');
  return problems.slice(0, 8);
}

// Charts without marks that can be seen, as sentences.
function emptyCharts() {
  const problems = [];
  for (const figure of document.querySelectorAll('figure.chart')) {
    const svg = figure.querySelector('.plot svg');
    const marks = svg ? [...svg.querySelectorAll('.role-mark path, .role-mark line, .role-mark text')] : [];
    const seen = marks.filter((mark) => {
      const box = mark.getBoundingClientRect();
      return Number.isFinite(box.x) && box.width + box.height > 0;
    });
    if (seen.length === 0) problems.push(`${figure.id} has ${marks.length} marks, none of them to be seen`);
    if (svg && /NaN|undefined|Infinity/.test(svg.outerHTML.replace(/aria-label="[^"]*"/g, ''))) problems.push(`${figure.id} draws what is no number`);
  }
  return problems;
}

function columnOf(tableIndex, column) {
  const table = document.querySelectorAll('.table-box table')[tableIndex];
  return [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim());
}

// ---- Checks.

const ready = (page) => page.evaluate(() => globalThis.fakequantPage.ready().then(() => undefined));

const checks = {
  async 'has charts, all with marks'(page) {
    assert.ok((await page.locator('figure.chart').count()) >= 3, 'fewer than three charts');
    assert.deepEqual(await page.evaluate(emptyCharts), []);
  },

  async 'has names for everything'(page) {
    assert.deepEqual(await page.evaluate(unnamed), []);
  },

  async 'is legible in light and dark, by system and by button'(page) {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({colorScheme});
      const system = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      assert.deepEqual(await page.evaluate(faintTexts, kLeastContrast), [], colorScheme);
      await page.locator('#theme').click();
      assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), system);
      assert.deepEqual(await page.evaluate(faintTexts, kLeastContrast), [], `not ${colorScheme}`);
      await page.evaluate(() => { document.documentElement.dataset.theme = 'auto'; });
    }
  },

  async 'is printed in dark ink on white, with every chart'(page) {
    await page.emulateMedia({media: 'print', colorScheme: 'dark'});
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(255, 255, 255)');
    assert.deepEqual(await page.evaluate(faintTexts, kLeastContrast), []);
    assert.deepEqual(await page.evaluate(emptyCharts), []);
    const broken = await page.evaluate(() => [...document.querySelectorAll('td.number')].filter((cell) => getComputedStyle(cell).whiteSpace !== 'nowrap').length);
    assert.equal(broken, 0, 'numbers may break into two lines');
    const longest = await page.evaluate(() => Math.max(...[...document.querySelectorAll('tbody')].map((body) => [...body.rows].filter((row) => row.checkVisibility()).length)));
    assert.ok(longest <= 40, `a table of ${longest} rows is printed`);
    assert.ok((await page.pdf()).length > 20000);
  },

  async 'fits every window'(page) {
    for (const width of [320, 360, 768, 1100, 1920]) {
      await page.setViewportSize({width, height: 900});
      await page.waitForTimeout(150);  // charts follow the window
      const wide = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide[0] <= wide[1], `at ${width}: the page is ${wide[0]} wide`);
    }
  },

  async 'sorts a column up, down and back'(page) {
    const place = await page.evaluate(() => {
      const tables = [...document.querySelectorAll('.table-box table')];
      for (const [index, table] of tables.entries()) {
        for (const head of table.tHead.rows[0].cells) {
          const values = [...table.tBodies[0].rows].map((row) => row.cells[head.cellIndex].dataset.v);
          const sorted = values.every((value, i) => i === 0 || Number(values[i - 1]) <= Number(value));
          if (values.every((value) => value) && new Set(values).size > 2 && !sorted) return [index, head.cellIndex];
        }
      }
      return null;
    });
    assert.ok(place, 'no table with an unsorted column of numbers');
    const [tableIndex, column] = place;
    const head = page.locator('.table-box table').nth(tableIndex).locator('thead th').nth(column);
    const values = () => page.evaluate(`(${columnOf})(${tableIndex}, ${column})`);
    const original = await values();
    const ascending = [...original].sort((a, b) => Number(a) - Number(b));
    for (const [sort, wanted] of [['ascending', ascending], ['descending', [...ascending].reverse()], [null, original]]) {
      await head.locator('button').click();
      assert.equal(await head.getAttribute('aria-sort'), sort);
      assert.deepEqual(await values(), wanted);
    }
  },

  async 'filters long tables'(page) {
    const inputs = page.locator('.table-tools input');
    if ((await inputs.count()) === 0) return;
    const rows = inputs.first().locator('xpath=ancestor::div[contains(@class,"table-tools")]/following-sibling::div[1]//tbody/tr');
    const shown = () => rows.evaluateAll((all) => all.filter((row) => !row.hidden).length);
    const all = await shown();
    const words = (await rows.nth(1).locator('th').textContent()).trim().toLowerCase().split(/\s+/);
    const wanted = await rows.evaluateAll((list, each) => list.filter((row) => each.every((word) => row.textContent.toLowerCase().includes(word))).length, words);
    for (const [text, count] of [['no-such-row', 0], [words.join(' '), wanted], ['', all]]) {
      await inputs.first().fill(text);
      assert.equal(await shown(), count, text);
    }
  },

  async 'is reached by keyboard'(page) {
    const wanted = new Map([['a.skip', 0], ['#theme', 0], ['.contents a', 0], ['.table-box', 0], ['thead button', 0], ['.chart-tools button', 0], ['summary', 0]]);
    await page.evaluate(() => document.querySelector('a.skip').focus());
    for (let i = 0; i < 500 && [...wanted.values()].includes(0); ++i) {
      if (i > 0) await page.keyboard.press('Tab');
      const [matched, outlined] = await page.evaluate((selectors) => {
        const element = document.activeElement;
        return [selectors.filter((selector) => element.matches(selector)), getComputedStyle(element).outlineStyle !== 'none'];
      }, [...wanted.keys()]);
      assert.ok(outlined, `no outline around ${await page.evaluate(() => document.activeElement.outerHTML.slice(0, 80))}`);
      for (const selector of matched) wanted.set(selector, 1);
    }
    assert.deepEqual([...wanted].filter(([, reached]) => !reached).map(([selector]) => selector), []);
  },

  async 'shows the data behind every chart'(page) {
    const counts = await page.evaluate(async () => {
      const rows = [];
      for (const details of document.querySelectorAll('details.data')) {
        details.open = true;
        await new Promise((done) => setTimeout(done, 0));
        await new Promise(requestAnimationFrame);
        rows.push(details.querySelectorAll('tbody tr').length);
      }
      return rows;
    });
    assert.ok(counts.length > 0 && counts.every((count) => count > 0), `rows: ${counts}`);
  },

  async 'lets a chart be saved'(page) {
    const begins = {SVG: '<svg', PNG: '\x89PNG', 'Vega-Lite': '{'};
    for (const [name, begin] of Object.entries(begins)) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.locator('.chart-tools').first().getByText(name, {exact: true}).click()]);
      const bytes = readFileSync(await download.path());
      assert.equal(bytes.subarray(0, begin.length).toString('latin1'), begin, name);
      if (name === 'Vega-Lite') assert.ok(JSON.parse(bytes).data.values.length > 0);
    }
  },

  async 'draws what is chosen'(page) {
    const select = page.locator('.controls select').first();
    if ((await select.count()) === 0) return;
    const marks = () => select.evaluate((element) => [...element.closest('figure').querySelectorAll('.role-mark path, .role-mark text')].map((mark) => mark.outerHTML).join());  // a map's cells stay where they are
    const before = await marks();
    await select.selectOption({index: 1});
    await page.waitForTimeout(200);
    assert.notEqual(await marks(), before);
  },

  async 'leads from numbers to records'(page) {
    const lost = await page.evaluate(() => [...document.querySelectorAll('a.j')].filter((link) => !document.getElementById(link.hash.slice(1))).map((link) => link.hash));
    assert.deepEqual([...new Set(lost)], []);
    const link = page.locator('a.j').first();
    const target = (await link.getAttribute('href')).slice(1);
    await link.click();
    await page.waitForFunction((id) => document.querySelector(`#${id} details`).open, target);
  },

  async 'keeps still for those who ask'(page) {
    await page.emulateMedia({reducedMotion: 'reduce'});
    assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior), 'auto');
  },
};

// ---- Running them: nothing may be said on the console, asked of the network or shown in a dialog meanwhile.

async function open(browser, file, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, ...options});
  const page = await context.newPage();
  const noise = [];
  page.on('console', (message) => noise.push(`console ${message.type()}: ${message.text().slice(0, 300)}`));
  page.on('pageerror', (error) => noise.push(`error: ${String(error).slice(0, 300)}`));
  page.on('dialog', (dialog) => { noise.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  const address = pathToFileURL(resolve(file)).href;
  page.on('request', (request) => {
    if (request.url().split('#')[0] !== address && !/^(blob|data):/.test(request.url())) noise.push(`request: ${request.url().slice(0, 200)}`);
  });
  await page.goto(address);
  return {context, page, noise};
}

async function attempt(file, name, work) {
  const begin = Date.now();
  let failed = false;
  try {
    await work();
  } catch (error) {
    failed = true;
    console.log(`${basename(file)} ${name}: ${error.message}`);
  }
  if (process.env.FAKEQUANT_PAGE_TIMES) console.log(`${basename(file)} ${name}: ${Date.now() - begin} ms`);
  return failed ? 1 : 0;
}

async function checkPage(browser, file) {
  const {context, page, noise} = await open(browser, file);
  await ready(page);
  let failures = 0;
  for (const [name, check] of Object.entries(checks)) {
    failures += await attempt(file, name, async () => {
      await page.emulateMedia({media: null, colorScheme: 'light', reducedMotion: null});
      await page.setViewportSize({width: 1280, height: 900});
      await check(page);
      assert.deepEqual(noise.splice(0), []);
    });
  }
  await context.close();
  return failures;
}

async function checkWithoutScript(browser, file) {
  const {context, page, noise} = await open(browser, file, {javaScriptEnabled: false});
  const words = await page.locator('main').innerText();
  await context.close();
  assert.ok(words.length > 500);
  assert.deepEqual(noise, []);
}

const browser = await chromium.launch({executablePath: chromiumPath, args: process.getuid() === 0 ? ['--no-sandbox'] : []});
let failures = 0;
for (const file of files) {
  failures += await checkPage(browser, file);
  failures += await attempt(file, 'can be read without scripts', () => checkWithoutScript(browser, file));
}
await browser.close();
process.exit(failures === 0 ? 0 : 1);

// Draws charts outside a browser: node draw.js FOLDER. FOLDER holds ID.vl.json for each chart, and gets ID.svg.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const folder = process.argv[2];
const kWidth = 620;  // where the page would take what there is
const vega = require('vega');
const vegaLite = require('./vega-lite.js');
const theme = require('./theme.js');
// The width of text is estimated here, generously: names would be cut too early.
const paperTheme = {
  ...theme,
  background: 'white',
  font: 'Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif',
  axisY: {...theme.axisY, labelLimit: 420},
};

// Controls have no place on paper: a chart is drawn for what they show at first. Which that is, is said under it.
function forPaper(spec) {
  const paper = JSON.parse(JSON.stringify(spec));
  if (paper.width === 'container') paper.width = kWidth;
  const chosen = (paper.params ?? []).filter((param) => param.bind).map((param) => `${param.bind.name.trim()} ${param.value}`);
  for (const param of paper.params ?? []) delete param.bind;
  if (chosen.length > 0) paper.title = {text: chosen.join('; '), anchor: 'start', fontSize: 12, fontWeight: 'normal', color: '#333'};
  return paper;
}

// What Vega-Lite warns of is a mistake in one of our charts.
const refuse = (...text) => { throw new Error(text.join(' ')); };
const strict = {level: () => strict, error: refuse, warn: refuse, info: () => strict, debug: () => strict};

async function draw(id) {
  const spec = forPaper(JSON.parse(fs.readFileSync(path.join(folder, `${id}.vl.json`), 'utf8')));
  const compiled = vegaLite.compile(spec, {config: paperTheme, logger: strict}).spec;
  const view = new vega.View(vega.parse(compiled), {renderer: 'none'});
  fs.writeFileSync(path.join(folder, `${id}.svg`), await view.toSVG());
  view.finalize();
}

async function main() {
  const ids = fs.readdirSync(folder).filter((name) => name.endsWith('.vl.json')).map((name) => name.slice(0, -'.vl.json'.length));
  for (const id of ids.sort()) await draw(id);
}

main().catch((error) => {
  console.error(String(error.message ?? error).split('\n')[0]);
  process.exit(1);
});

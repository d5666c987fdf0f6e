// Turns the parts of the report's page into one C++ file: what src/report/page_parts.h declares.
// Usage: node tools/embed-page.mjs SOURCE PACKAGES OUTPUT.cpp LICENCES.txt
//   SOURCE    src/report/page
//   PACKAGES  the folder with node_modules, as tools/fetch-page-parts.sh leaves it
// Nothing in the output depends on where or when it is made.
import {createHash} from 'node:crypto';
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

const [source, packages, output, licencesFile] = process.argv.slice(2);
const modules = join(packages, 'node_modules');
const kDrawingPackages = ['vega', 'vega-lite', 'vega-embed'];
// Of programs that come in the same packages and are no part of the bundles.
const kNotBundled = new Set(['yargs', 'commander', 'iconv-lite', 'safer-buffer', 'rw']);

const fail = (text) => {
  console.error(`embed-page: ${text}`);
  process.exit(1);
};
const own = (name) => readFileSync(join(source, name), 'utf8');
const bundle = (name) =>
  readFileSync(join(modules, name, 'build', `${name}.min.js`), 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '').trim();

// Every package whose code a bundle holds, in the order of names.
function bundledPackages() {
  const found = new Set();
  const visit = (name) => {
    if (found.has(name) || kNotBundled.has(name) || name.startsWith('@types/')) return;
    if (!existsSync(join(modules, name))) fail(`${name} is not in ${modules}`);
    found.add(name);
    Object.keys(JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).dependencies ?? {}).forEach(visit);
  };
  kDrawingPackages.forEach(visit);
  return [...found].sort();
}

// Licence texts, each once, under the packages that have it.
function licences() {
  const packagesOf = new Map();
  for (const name of bundledPackages()) {
    const folder = join(modules, name);
    const file = readdirSync(folder).find((entry) => /^licen[sc]e/i.test(entry));
    if (!file) fail(`${name} has no licence file`);
    const text = readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim();
    const version = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
    packagesOf.set(text, [...(packagesOf.get(text) ?? []), `${name} ${version}`]);
  }
  const parts = [...packagesOf].map(([text, names]) => `${names.join(', ')}\n\n${text}\n`);
  return `The charts are drawn by Vega, Vega-Lite and Vega-Embed, which hold the work of others.\n\n${parts.join('\n----\n\n')}`;
}

// A script inside a page ends at the first two of these; the others are changed where a page is read.
function checkInline(name, text) {
  for (const forbidden of ['</script', '<!--', '\r', '\0']) {
    if (text.toLowerCase().includes(forbidden)) fail(`${name} holds ${JSON.stringify(forbidden)}, which a page would not keep`);
  }
}

function literal(text) {
  const kDelimiter = 'fakequant';
  if (text.includes(`)${kDelimiter}"`)) fail('a part holds the end of a C++ raw string');
  return `R"${kDelimiter}(${text})${kDelimiter}"sv`;
}

const drawing = kDrawingPackages.map(bundle);
const script = [...drawing, own('theme.js'), own('page.js')].join('\n;\n');
checkInline('the script', script);
const parts = {
  template_html: own('page.html'),
  style: own('page.css'),
  script,
  script_sha256: createHash('sha256').update(script, 'utf8').digest('base64'),
  draw_vega: drawing[0],
  draw_vega_lite: drawing[1],
  draw_theme: own('theme.js'),
  draw: own('draw.js'),
  licences: licences(),
};
const lines = Object.entries(parts).map(([name, text]) => `    .${name} =\n${literal(text)},`);
writeFileSync(output, `// Made by tools/embed-page.mjs.
#include "report/page_parts.h"

namespace fakequant::report {

const PageParts& page_parts() {
  using namespace std::string_view_literals;
  static constexpr PageParts kParts{
${lines.join('\n')}
  };
  return kParts;
}

}  // namespace fakequant::report
`);
writeFileSync(licencesFile, parts.licences);

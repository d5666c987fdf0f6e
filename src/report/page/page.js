// The page's own script: charts, sorting and filtering of tables, colours, links to records. Without it the page is whole but for charts.
'use strict';
(() => {
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // ---- Colours: the system's, until the button says otherwise.

  const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
  const root = document.documentElement;

  function setUpColours() {
    const button = document.getElementById('theme');
    const isDark = () => (root.dataset.theme === 'auto' ? systemIsDark.matches : root.dataset.theme === 'dark');
    const show = () => {
      button.textContent = isDark() ? 'Light colours' : 'Dark colours';
    };
    button.addEventListener('click', () => {
      root.dataset.theme = isDark() ? 'light' : 'dark';
      show();
    });
    systemIsDark.addEventListener('change', show);
    button.hidden = false;
    show();
  }

  // ---- Charts: drawn when they come near the window, or when the browser has nothing else to do: print shows all of them.

  const charts = new Map(JSON.parse(document.getElementById('chart-data').textContent).map((chart) => [chart.id, chart]));
  const drawn = new Map();  // id -> promise of a Vega view

  const tooltip = {disableDefaultStyle: true, formatTooltip: tooltipTable};

  // Values come from models and files: they are text, whatever they look like.
  function tooltipTable(value, sanitize) {
    if (typeof value !== 'object' || value === null) return sanitize(value);
    const rows = Object.entries(value).map(([key, shown]) =>
      `<tr><td class="key">${sanitize(key)}</td><td class="value">${sanitize(String(shown))}</td></tr>`);
    return `<table><tbody>${rows.join('')}</tbody></table>`;
  }

  // On a phone: short names where the chart has to fit; legends that do not run out of it.
  function themeFor(plot, spec) {
    const {axisY, legend} = fakequantTheme;
    if (plot.clientWidth >= 480) return {...fakequantTheme, axisY: {...axisY, labelLimit: 240}};
    const limit = spec.width === 'container' ? 110 : 180;
    return {...fakequantTheme, axisY: {...axisY, labelLimit: limit}, legend: {...legend, columns: 2, titleOrient: 'top', gradientLength: 120}};
  }

  async function draw(id) {
    const plot = document.querySelector(`#chart-${CSS.escape(id)} .plot`);
    const spec = charts.get(id).spec;
    const result = await vegaEmbed(plot, spec, {
      mode: 'vega-lite', renderer: 'svg', actions: false, ast: true, defaultStyle: false, tooltip, config: themeFor(plot, spec),
      bind: plot.parentElement.querySelector('.controls'),
    });
    plot.dataset.drawn = 'yes';
    return result.view;
  }

  const view = (id) => {
    if (!drawn.has(id)) drawn.set(id, draw(id));
    return drawn.get(id);
  };

  function setUpCharts() {
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        near.unobserve(entry.target);
        view(entry.target.dataset.chart);
      }
    }, {rootMargin: '600px'});
    $$('figure.chart').forEach((figure) => {
      near.observe(figure);
      addChartTools(figure);
      addData(figure);
    });
    const whenIdle = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
    const waiting = [...charts.keys()];
    const drawNext = async () => {
      const id = waiting.shift();
      if (id === undefined) return;
      await view(id);
      whenIdle(drawNext);
    };
    whenIdle(drawNext);
  }

  function download(name, address) {
    const link = make('a', {href: address, download: name});
    document.body.append(link);
    link.click();
    link.remove();
  }

  // For an <svg> or PNG that stands by itself: on white, as on paper.
  async function saveImage(id, kind) {
    const shown = await view(id);
    const before = shown.background();
    shown.background('white');
    const address = await shown.toImageURL(kind, kind === 'png' ? 2 : 1);
    shown.background(before);
    download(`${id}.${kind}`, address);
  }

  function saveSpec(id) {
    const text = JSON.stringify({...charts.get(id).spec, config: fakequantTheme}, null, 2);
    const address = URL.createObjectURL(new Blob([text], {type: 'application/json'}));
    download(`${id}.vl.json`, address);
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  const shownValue = (value) => (typeof value === 'number' ? String(Number(value.toPrecision(5))) : value === null ? 'n/a' : String(value));

  // The table behind a chart, made when it is asked for.
  function dataTable(id) {
    const {spec, columns} = charts.get(id);
    const heads = columns.map(([, title]) => {
      return make('th', {scope: 'col'}, make('span', {className: 'title', textContent: title}));
    });
    const body = make('tbody');
    for (const row of spec.data.values) {
      const cells = columns.map(([field]) => {
        const value = row[field] ?? null;
        const cell = make('td', {className: typeof value === 'number' ? 'number' : 'word'});
        if (field === 'line' && value !== null) cell.append(make('a', {className: 'j', href: `#J${value}`, textContent: `J${value}`}));
        else cell.textContent = shownValue(value);
        if (typeof value === 'number') cell.dataset.v = value;
        return cell;
      });
      body.append(make('tr', {}, ...cells));
    }
    const table = make('table', {}, make('thead', {}, make('tr', {}, ...heads)), body);
    const box = make('div', {className: 'table-box', tabIndex: 0}, table);
    box.setAttribute('role', 'region');
    return box;
  }

  function addData(figure) {
    const id = figure.dataset.chart;
    const title = figure.querySelector('h3').textContent;
    const details = make('details', {className: 'data'}, make('summary', {textContent: 'Data'}));
    details.addEventListener('toggle', () => {
      if (!details.open || details.querySelector('table')) return;
      const box = dataTable(id);
      box.setAttribute('aria-label', `Data of “${title}”`);
      details.append(box);
      makeSortable(box.querySelector('table'));
      makeFilterable(box.querySelector('table'), box);
    });
    figure.append(details);
  }

  function addChartTools(figure) {
    const id = figure.dataset.chart;
    const title = figure.querySelector('h3').textContent;
    const button = (text, what, act) => {
      const element = make('button', {type: 'button', textContent: text});
      element.setAttribute('aria-label', `${what} of “${title}”`);
      element.addEventListener('click', act);
      return element;
    };
    figure.querySelector('.plot').after(make('div', {className: 'chart-tools'}, 'Save as',
      button('SVG', 'Save as SVG: picture', () => saveImage(id, 'svg')),
      button('PNG', 'Save as PNG: picture', () => saveImage(id, 'png')),
      button('Vega-Lite', 'Save as Vega-Lite: specification', () => saveSpec(id))));
  }

  // ---- Tables.

  const sortValue = (cell) => {
    if (cell.dataset.v !== undefined) return cell.dataset.v === '' ? null : Number(cell.dataset.v);
    return cell.textContent.trim();
  };

  // Numbers before words; what is not there is last in both directions.
  function compare(a, b, direction) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === 'number' && typeof b === 'number') return direction * (a - b);
    if (typeof a !== typeof b) return direction * (typeof a === 'number' ? -1 : 1);
    return direction * a.localeCompare(b, 'en', {numeric: true});
  }

  function sortBy(table, header, direction) {
    const column = header.cellIndex;
    const body = table.tBodies[0];
    $$('th[aria-sort]', table).forEach((other) => other.removeAttribute('aria-sort'));
    if (direction !== 0) header.setAttribute('aria-sort', direction > 0 ? 'ascending' : 'descending');
    const rows = [...body.rows].map((row) => ({row, value: sortValue(row.cells[column]), place: Number(row.dataset.place)}));
    rows.sort((a, b) => (direction === 0 ? 0 : compare(a.value, b.value, direction)) || a.place - b.place);
    body.append(...rows.map((entry) => entry.row));
  }

  // Up, down, and back to the order in which it was written.
  function makeSortable(table) {
    [...table.tBodies[0].rows].forEach((row, index) => { row.dataset.place = index; });
    for (const header of table.tHead.rows[0].cells) {
      if (header.dataset.sort === 'no') continue;
      const button = make('button', {type: 'button'});
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener('click', () => {
        const now = header.getAttribute('aria-sort');
        sortBy(table, header, now === null ? 1 : now === 'ascending' ? -1 : 0);
      });
    }
  }

  const kLongTable = 15;

  function makeFilterable(table, box) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length <= kLongTable) return;
    const input = make('input', {type: 'search', autocomplete: 'off', spellcheck: false});
    const count = make('span');
    count.setAttribute('role', 'status');
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        if (!row.hidden) ++shown;
      }
      count.textContent = words.length === 0 ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
    };
    input.addEventListener('input', show);
    show();
    box.before(make('div', {className: 'table-tools'}, make('label', {}, 'Filter ', input), count));
  }

  function setUpTables() {
    for (const box of $$('.table-box')) {
      const table = box.querySelector('table');
      makeSortable(table);
      makeFilterable(table, box);
    }
  }

  // ---- Links into what is folded away, and where in the contents one is.

  function openTarget() {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let element = target; element; element = element.parentElement) {
      if (element.tagName === 'DETAILS') element.open = true;
    }
    if (target.firstElementChild?.tagName === 'DETAILS') target.firstElementChild.open = true;
    target.scrollIntoView();
  }

  function setUpContents() {
    const contents = document.querySelector('.contents details');
    const wide = matchMedia('(min-width: 68rem)');
    const fold = () => { contents.open = wide.matches; };
    wide.addEventListener('change', fold);
    fold();
    const links = new Map($$('.contents a').map((link) => [link.hash.slice(1), link]));
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        links.forEach((link) => link.removeAttribute('aria-current'));
        links.get(entry.target.id)?.setAttribute('aria-current', 'true');
      }
    }, {rootMargin: '-10% 0px -80% 0px'});
    links.forEach((_, id) => watch.observe(document.getElementById(id)));
  }

  function setUpPrint() {
    addEventListener('beforeprint', () => $$('details.more').forEach((details) => { details.dataset.was = details.open; details.open = true; }));
    addEventListener('afterprint', () => $$('details.more').forEach((details) => { details.open = details.dataset.was === 'true'; }));
  }

  setUpColours();
  setUpTables();
  setUpContents();
  setUpCharts();
  setUpPrint();
  addEventListener('hashchange', openTarget);
  openTarget();
  // For tests and for programs that print pages: every chart, drawn.
  globalThis.fakequantPage = {ready: () => Promise.all([...charts.keys()].map(view))};
})();

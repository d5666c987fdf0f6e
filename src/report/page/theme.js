// How every chart looks: the same on the page, in its downloads and in the images of --charts. Colours of marks are Okabe's and Ito's, which
// people with any colour vision can tell apart and which stand out from white and from dark; text and lines are for white paper, and
// page.css gives them the page's own colours.
const fakequantTheme = {
  background: null,
  font: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  padding: 4,
  view: {stroke: null, continuousHeight: 260, continuousWidth: 560},
  range: {
    category: ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8C8C8C'],
    ramp: {scheme: 'viridis'},
    heatmap: {scheme: 'viridis'},
  },
  axis: {
    labelColor: '#333', titleColor: '#333', tickColor: '#bbb', domainColor: '#bbb', gridColor: '#e6e6e6',
    labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', titlePadding: 10, labelPadding: 6, tickSize: 4,
    labelLimit: 220,
  },
  axisY: {titleAnchor: 'middle'},
  axisBand: {ticks: false, domain: false, grid: false},
  legend: {
    labelColor: '#333', titleColor: '#333', labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', labelLimit: 260, titleLimit: 400,
    orient: 'top', direction: 'horizontal', titleOrient: 'left', columnPadding: 16, symbolStrokeWidth: 2, gradientLength: 160,
  },
  text: {fontSize: 11, fill: '#333'},
  point: {filled: true, size: 60},
  rule: {stroke: '#888'},
};
if (typeof module === 'object') module.exports = fakequantTheme;

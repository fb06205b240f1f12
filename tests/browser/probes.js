// SPDX-License-Identifier: Apache-2.0
// What the tests ask of a displayed page. Run in the page by WebDriver; returns a report.
const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
const hidden = (element) => element.closest('.mk-unseen, noscript') !== null;

function luminance([r, g, b]) {
  const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
const channels = (colour) => { const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
function ground(element) {
  for (let e = element; e; e = e.parentElement) {
    const { rgb, a } = channels(getComputedStyle(e).backgroundColor);
    if (a === 1) return rgb;
  }
  return [255, 255, 255];
}
function contrast(element) {
  const a = luminance(channels(getComputedStyle(element).color).rgb);
  const b = luminance(ground(element));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function texts() {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    if (data.trim() && seen(parentElement) && !parentElement.closest('script, noscript')) found.push([data, parentElement]);
  }
  return found;
}

const report = { weak: [], small: [], texts: [], labels: [], wide: 0 };
for (const [data, element] of texts()) {
  report.texts.push(data);
  if (hidden(element)) continue;
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const ratio = contrast(element);
  if (ratio < (isLarge ? 3 : 4.5)) report.weak.push(`${ratio.toFixed(2)} ${data}`);
}
for (const element of document.querySelectorAll('button, input, select, summary, a, label.mk-choice')) {
  if (!seen(element) || element.matches('.mk-choice__dot')) continue;
  const { width, height } = element.getBoundingClientRect();
  const least = element.matches('.mk-pad__key') ? 64 : 44;
  if (width < least - 0.01 || height < least - 0.01) report.small.push(`${width}×${height} ${element.className} ${element.textContent}`);
}
for (const element of document.querySelectorAll('[aria-label]')) report.labels.push(element.getAttribute('aria-label'));
report.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
report.styled = document.querySelectorAll('[style]').length;
return report;

// SPDX-License-Identifier: Apache-2.0
// A barcode as SVG from its modules ("1" bar, "0" space), drawn in whole device pixels: nothing is scaled or smoothed.

import { h } from './dom.js';

const MM_PER_PX = 25.4 / 96;
const MODULE_MM = 0.5;
const WIDEST_MM = 120;
const HEIGHT_PX = 100; // 26.5 mm; readers ask for 25
const QUIET = 10;      // modules of white on either side

// Width of a module in CSS pixels: the whole number of device pixels nearest to 0.5 mm that fits both limits, at least 1.
export function moduleWidth(count, ratio, availablePx) {
  const limit = Math.min(WIDEST_MM / MM_PER_PX, availablePx) * ratio;
  const best = Math.round((MODULE_MM / MM_PER_PX) * ratio);
  return Math.max(1, Math.min(best, Math.floor(limit / (count + 2 * QUIET)))) / ratio;
}

export function barcode(modules, label, ratio, availablePx) {
  if (!/^[01]+$/.test(modules)) return null;
  const unit = moduleWidth(modules.length, ratio, availablePx);
  const width = (modules.length + 2 * QUIET) * unit;
  const bars = [...modules.matchAll(/1+/g)].map((run) => h('rect', {
    x: (QUIET + run.index) * unit, y: 0, width: run[0].length * unit, height: HEIGHT_PX,
  }));
  return h('div', { class: 'mk-barcode' },
    h('svg', {
      class: 'mk-barcode__bars', role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges',
      width, height: HEIGHT_PX, viewBox: `0 0 ${width} ${HEIGHT_PX}`,
    }, bars));
}

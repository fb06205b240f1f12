// SPDX-License-Identifier: Apache-2.0
// Parts that both sides are made of. `ctx` is what app.js hands to every view: t (texts), snap, ui, run (an action).

import { h } from './dom.js';
import { barcode } from './barcode.js';
import { ID_PURPOSES } from './purposes.js';

export function icon(name, box = '0 0 24 24', block = 'mk-icon') {
  return h('svg', { class: block, viewBox: box, 'aria-hidden': 'true' }, h('use', { href: `/page/icons.svg#${name}` }));
}

// The title of a side's screen; takes the focus when the screen changes.
export function title(text) {
  return h('h2', { class: 'mk-side__title', tabindex: '-1', 'data-focus': true }, text);
}

export function paragraph(text, kind) {
  return h('p', { class: 'mk-text', 'data-kind': kind }, text);
}

// A button that sends one action. kind: solid, outline, danger, text.
export function actionButton(ctx, action, label, { kind = 'outline', size, args, pressed } = {}) {
  return h('button', {
    type: 'button', class: 'mk-button', 'data-kind': kind, 'data-size': size, 'data-action': action,
    'data-purpose': args?.purpose, 'aria-pressed': pressed === undefined ? null : String(pressed),
    on: { click: () => ctx.run(action, args) },
  }, label);
}

export function buttons(...children) {
  return h('div', { class: 'mk-buttons' }, children);
}

export function banner(kind, heading, ...body) {
  return h('div', { class: 'mk-banner', 'data-kind': kind }, icon(kind),
    h('div', { class: 'mk-banner__body' },
      h('p', { class: 'mk-banner__title' }, heading),
      body.map((text) => text && h('p', null, text))));
}

export function progress() {
  return h('div', { class: 'mk-progress', 'aria-hidden': 'true' }, h('div', { class: 'mk-progress__bar' }));
}

const UNGROUPED = 6; // characters that are read at a glance

// A number or code, grouped by four for reading; the gaps are drawn, so that a copy holds the characters alone.
export function grouped(value) {
  const groups = value.length <= UNGROUPED ? [value] : value.match(/.{1,4}/gsu);
  return groups.map((group) => h('span', { class: 'mk-group' }, group));
}

export function largeNumber(value) {
  const length = value.length > 12 ? 'long' : value.length > 8 ? 'middle' : 'short';
  return h('p', { class: 'mk-number', 'data-length': length },
    h('bdi', { class: 'mk-number__value', translate: 'no', 'data-number': true }, grouped(value)));
}

export function chosenNumber(number) {
  return number?.values?.[number.chosen ?? -1] ?? null;
}

export function numberBarcode(ctx) {
  const { number } = ctx.snap;
  if (!number?.barcode?.modules || chosenNumber(number) === null) return null;
  return barcode(number.barcode.modules, ctx.t('number.barcode', { number: chosenNumber(number) }),
    ctx.ui.pixelRatio, ctx.ui.barcodeRoom);
}

// "disappears in n seconds", and the way to stop it
export function clearTimer(ctx) {
  const { clear } = ctx.snap;
  if (!clear) return null;
  if (clear.stopped) return paragraph(ctx.t('clear.stopped'), 'soft');
  return h('div', { class: 'mk-timer' },
    h('p', { class: 'mk-timer__text', role: 'timer' }, ctx.t('clear.in', { n: ctx.ui.left ?? clear.after_s })),
    actionButton(ctx, 'stop_clear', ctx.t('clear.stop')));
}

export function notices(ctx) {
  return (ctx.snap.notices ?? []).map((name) => banner('info',
    ctx.has(`notice.${name}`) ? ctx.t(`notice.${name}`) : ctx.t('notice.other', { name })));
}

export function operatorName(ctx) {
  const { terminal } = ctx.snap;
  const name = ctx.ui.lang === 'ja' ? terminal?.name_ja : terminal?.name_en;
  return name || terminal?.name_ja || terminal?.operator_id || '';
}

const KINDS = ['library', 'museum', 'sports', 'shop', 'partner', 'municipality'];

// "this library", "this shop" …
export function here(ctx) {
  const kind = ctx.snap.terminal?.kind;
  return ctx.t(`place.${KINDS.includes(kind) ? kind : 'other'}`);
}

// What serves instead of the card: nothing, where the business is the MyKey ID itself.
function instead(ctx) {
  return ID_PURPOSES.includes(ctx.purpose) ? 'id' : 'card';
}

// Who can fix it and what next, for the resident and for staff; fix: of describeError.
export function advice(ctx, fix) {
  const what = instead(ctx);
  return ctx.t(`fix.${fix}`, { place: here(ctx), today: ctx.t(`today.${what}`), hurry: ctx.t(`hurry.${what}`) });
}

export function staffAdvice(ctx, fix) {
  return ctx.t(`fix.${fix}.staff`, { today: ctx.t(`today.${instead(ctx)}.staff`) });
}

const CHECKS = ['reader', 'network', 'clock', 'key'];

// When linking: the number that the holder is asked to agree to.
export function agreedNumber(ctx) {
  const { link } = ctx.snap;
  return ctx.purpose === 'link' && link?.number ? ctx.t('link.number', { number: link.number }) : null;
}

export function checkList(ctx) {
  return h('ul', { class: 'mk-checks' }, CHECKS.map((name) => {
    const value = ctx.snap.checks?.[name];
    const result = checkResult(value);
    return h('li', { class: 'mk-checks__item', 'data-result': result },
      icon({ ok: 'good', fail: 'bad', wait: 'wait' }[result]),
      h('span', null, ctx.t(`check.${name}`)),
      h('span', { class: 'mk-checks__result' }, ctx.t(`check.is.${result}`)),
      result === 'fail' && h('span', { class: 'mk-checks__why' }, ctx.errorText(value)));
  }));
}

// A check is "ok", "checking" or the code of what is wrong.
function checkResult(value = 'checking') {
  return { ok: 'ok', checking: 'wait' }[value] ?? 'fail';
}

export function isCheckFailing(snap) {
  return Object.values(snap.checks ?? {}).some((value) => checkResult(value) === 'fail');
}

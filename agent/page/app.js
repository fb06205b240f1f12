// SPDX-License-Identifier: Apache-2.0
// The counter page: draws the agent's snapshots (docs/counter-page.md). What it knows itself is the language, which sides
// are shown, the problems in a form, and how many seconds are left on a timer that the agent keeps.

import { act, follow, takeToken } from './api.js';
import { h, patch } from './dom.js';
import { describeError } from './errors.js';
import { LANGUAGES, hasText, loadMessages, text } from './i18n.js';
import { advice, banner, chosenNumber, operatorName, paragraph, progress, title } from './parts.js';
import { takeKey } from './pin.js';
import { isStaffAct, purposeOf, usualPurpose } from './purposes.js';
import { residentView } from './resident.js';
import { staffView } from './staff.js';

const LOST_AFTER_MS = 1000; // a shorter gap is bridged without a word
const SIDES = { resident: residentView, staff: staffView };

const query = new URLSearchParams(location.search);
const ui = {
  lang: LANGUAGES.includes(query.get('lang')) ? query.get('lang') : 'ja',
  view: query.get('view') in SIDES ? query.get('view') : 'both',
  link: 'connecting', // connecting, open, lost, refused
  snap: null,
  busy: undefined, // the screen on which an action was begun that is still on its way
  problem: null, // code of an action that was refused
  forms: {},
  copied: null,
  pinTold: null,
  deadline: null,
  left: null,
  screen: null,
  pixelRatio: 1,
  barcodeRoom: 320,
};
let token = '';

// ---- what the views get

function context() {
  const t = (key, values) => text(ui.lang, key, values);
  return {
    t, ui, run, send, told, copy, setForm,
    snap: ui.snap,
    purpose: purposeOf(ui.snap),
    isUsual: purposeOf(ui.snap) === usualPurpose(ui.snap),
    has: (key) => hasText(ui.lang, key),
    act: async (action, args) => {
      const code = await act(token, action, args);
      return code === 'CONFLICT' ? null : code; // a fifth digit, or the screen has moved on
    },
    errorText: (code) => t(describeError(code).key),
  };
}

// One action at a time on a screen; the screen that it leads to may come before its answer does. Answers null when done, the
// error's code, or undefined when another is still on its way.
async function send(action, args) {
  if (ui.busy === ui.screen) return undefined;
  const before = ui.screen;
  ui.busy = before;
  ui.problem = null;
  const code = await act(token, action, args);
  if (ui.busy === before) ui.busy = undefined;
  if (code !== 'CONFLICT') return code;
  return ui.screen === before ? 'BAD_REQUEST' : null; // not offered now; or the screen has moved on meanwhile
}

async function run(action, args) {
  const code = await send(action, args);
  if (code === undefined || code === 'AGENT_LOST') return; // the stream tells of a lost agent
  ui.problem = code;
  ui.pinTold = null;
  draw();
}

function told(what, code) {
  ui.pinTold = what;
  ui.problem = code;
  draw();
}

function setForm(name, state) {
  ui.forms = { ...ui.forms, [name]: state };
  draw();
  if (state.problems || state.asked) document.querySelector(`[data-summary="${name}"]`)?.focus();
}

// The selection's copy event carries the characters alone. (navigator.clipboard may be switched off by policy.)
function copy(value) {
  const take = (event) => {
    event.clipboardData.setData('text/plain', value);
    event.preventDefault();
  };
  document.addEventListener('copy', take, { once: true });
  ui.copied = document.execCommand('copy') ? 'ok' : 'failed';
  document.removeEventListener('copy', take);
  draw();
}

// ---- drawing

function draw() {
  const ctx = context();
  document.documentElement.lang = ui.lang;
  Object.assign(document.body.dataset, facts());
  measure();
  patch(document.getElementById('skip'), skipLinks(ctx));
  patch(document.getElementById('top'), top(ctx));
  patch(document.getElementById('main'), main(ctx));
  patch(document.getElementById('foot'), foot(ctx));
  document.title = pageTitle(ctx);
  if (screenOf() !== ui.screen) enterScreen(ctx);
}

// What tests and style sheets may look at.
function facts() {
  return {
    view: ui.view, link: ui.link, state: ui.snap?.state ?? '', rev: String(ui.snap?.rev ?? ''),
    error: ui.snap?.error?.code ?? '', entered: String(ui.snap?.pin?.entered ?? ''),
  };
}

function measure() {
  ui.pixelRatio = window.devicePixelRatio || 1;
  const side = document.querySelector('.mk-side');
  if (!side) return;
  const style = getComputedStyle(side);
  ui.barcodeRoom = side.clientWidth - parseFloat(style.paddingInlineStart) - parseFloat(style.paddingInlineEnd);
}

function sides() {
  return ui.view === 'both' ? Object.keys(SIDES) : [ui.view];
}

function skipLinks(ctx) {
  return ui.snap ? sides().map((side) => h('a', { class: 'mk-skip__link', href: `#${side}` }, ctx.t(`skip.${side}`))) : [];
}

function top(ctx) {
  return [
    h('div', { class: 'mk-top__name' },
      h('h1', { class: 'mk-top__title' }, ctx.t(`title.${ui.view}`)),
      h('p', { class: 'mk-top__operator' }, h('bdi', null, ui.snap ? operatorName(ctx) : ''))),
    h('div', { class: 'mk-top__languages', role: 'group', 'aria-label': ctx.t('lang.label') }, LANGUAGES.map((lang) => h('button', {
      type: 'button', class: 'mk-button', lang, 'data-lang': lang, 'aria-pressed': String(lang === ui.lang),
      on: { click: () => setLanguage(lang) },
    }, ctx.t(`lang.${lang}`)))),
  ];
}

function main(ctx) {
  if (ui.link === 'lost' || ui.link === 'refused') return [lostView(ctx)];
  if (!ui.snap) return [panel(ctx, 'resident', [title(ctx.t('connecting')), progress()])];
  return [
    ui.problem && h('div', { class: 'mk-main__problem', role: 'alert' }, banner('bad', ctx.errorText(ui.problem))),
    sides().map((side) => panel(ctx, side, SIDES[side](ctx))),
  ];
}

function panel(ctx, side, content) {
  const attrs = { class: 'mk-side', id: side, key: side, 'data-side': side, tabindex: '-1', 'aria-labelledby': `${side}-name` };
  return h('section', attrs,
    h('p', { class: 'mk-side__name', id: `${side}-name` }, ctx.t(`side.${side}`)), content);
}

function lostView(ctx) {
  return h('section', { class: 'mk-side', key: 'lost', 'data-side': 'lost' },
    title(ctx.t(`${ui.link}.title`)), paragraph(ctx.t(`${ui.link}.text`), 'large'), paragraph(ctx.t(`${ui.link}.staff`)));
}

function foot(ctx) {
  return [
    h('p', { class: 'mk-foot__help' }, ctx.t('foot.help')),
    h('p', { class: 'mk-foot__kept' }, ctx.t('foot.kept')),
    ui.snap?.terminal?.id && h('p', { class: 'mk-foot__terminal' }, ctx.t('foot.terminal', { id: ui.snap.terminal.id })),
  ];
}

function isFailing() {
  return ui.link === 'lost' || ui.link === 'refused' || ui.snap?.state === 'error' || ui.problem !== null
    || (ui.snap?.state === 'typing' && ui.snap.keyboard?.phase === 'failed')
    || Object.values(ui.forms).some((form) => form.problems);
}

function pageTitle(ctx) {
  const screen = document.querySelector(`[data-side="${leadingSide()}"] h2, .mk-side h2`)?.textContent ?? '';
  return `${isFailing() ? ctx.t('title.error') : ''}${screen} – ${ctx.t(`title.${ui.view}`)}`.replace(/[\u2068\u2069]/g, '');
}

// ---- a new screen: the focus and what is read out

function screenOf() {
  const { snap } = ui;
  if (!snap) return ui.link;
  return [
    snap.state, snap.error?.code, snap.pin?.last, snap.link?.number, snap.keyboard?.phase, snap.manual?.problem,
    chosenNumber(snap.number),
  ].join('|');
}

// The side that acts next.
function leadingSide() {
  const isStaffs = ['staff_scan', 'manual', 'typing'].includes(ui.snap?.state) || isStaffAct(ui.snap?.purpose)
    || (ui.snap?.state === 'number' && chosenNumber(ui.snap.number) === null);
  return isStaffs ? 'staff' : 'resident';
}

function enterScreen(ctx) {
  const isFirst = ui.screen === null || ui.screen === 'connecting';
  ui.screen = screenOf();
  announce(ctx);
  const target = document.querySelector(`[data-side="${leadingSide()}"] [data-focus]`) ?? document.querySelector('[data-focus]');
  if (!isFirst || target?.matches('input')) target?.focus({ preventScroll: false });
}

function announce(ctx) {
  const { snap } = ui;
  const screen = document.querySelector(`[data-side="${leadingSide()}"] h2, .mk-side h2`)?.textContent ?? '';
  const number = snap?.state === 'number' ? chosenNumber(snap.number) : null;
  const said = number === null ? screen : ctx.t('number.spoken', { number: [...number].join(' ') });
  document.getElementById('status').textContent = isFailing() ? '' : said;
  patch(document.getElementById('alert'), isFailing() ? [h('p', null, screen), h('p', null, whatNext(ctx))] : []);
}

function whatNext(ctx) {
  if (ui.snap?.state === 'error') return advice(ctx, describeError(ui.snap.error?.code, ctx.purpose).fix);
  if (ui.snap?.state === 'typing') return ctx.t('typing.failed.text');
  return ui.snap ? '' : ctx.t(`${ui.link}.text`);
}

// ---- events

function setLanguage(lang) {
  ui.lang = lang;
  query.set('lang', lang);
  history.replaceState(null, '', `?${query}${location.hash}`);
  draw();
  announce(context());
}

function takeSnapshot(snap) {
  const isNewState = snap.state !== ui.snap?.state || snap.purpose !== ui.snap?.purpose;
  clearTimeout(lostTimer);
  lostTimer = 0;
  keepTime(ui.snap, snap, isNewState);
  ui.link = 'open';
  ui.snap = snap;
  if (isNewState) Object.assign(ui, { problem: null, forms: {}, copied: null, pinTold: null });
  draw();
}

function secondsOf(snap) {
  if (snap?.clear) return snap.clear.stopped ? 0 : snap.clear.after_s;
  return snap?.error?.wait_s ?? 0;
}

// The agent says how many seconds are left; between its words the page counts down by itself.
function keepTime(old, snap, isNewState) {
  const seconds = secondsOf(snap);
  if (!(seconds > 0)) ui.deadline = null;
  else if (isNewState || seconds !== secondsOf(old) || ui.deadline === null) ui.deadline = Date.now() + seconds * 1000;
  ui.left = secondsLeft();
}

function secondsLeft() {
  return ui.deadline === null ? null : Math.max(0, Math.ceil((ui.deadline - Date.now()) / 1000));
}

function tick() {
  if (ui.left === secondsLeft()) return;
  ui.left = secondsLeft();
  draw();
}

let lostTimer = 0;

// Nothing of a visit stays on the screen when the agent is gone.
function loseAgent(link) {
  lostTimer = 0;
  Object.assign(ui, { link, snap: null, deadline: null, left: null, problem: null, forms: {}, copied: null, pinTold: null });
  draw();
}

function onKey(event) {
  const state = ui.snap?.state;
  const isPinHere = state === 'pin' && ui.view !== 'staff';
  if (isPinHere && takeKey(context(), event)) event.preventDefault();
  else if (event.key === 'Escape' && isPinHere) run('cancel');
  else if (event.key === 'Escape' && state === 'typing') run('type_cancel');
}

async function start() {
  token = takeToken();
  await loadMessages();
  document.addEventListener('keydown', onKey);
  window.addEventListener('resize', draw);
  setInterval(tick, 250);
  draw();
  await follow(token, {
    snapshot: takeSnapshot,
    lost: () => { if (ui.link !== 'lost' && lostTimer === 0) lostTimer = setTimeout(loseAgent, LOST_AFTER_MS, 'lost'); },
    refused: () => loseAgent('refused'),
  });
}

start();

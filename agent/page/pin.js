// SPDX-License-Identifier: Apache-2.0
// The PIN pad. A digit leaves for the agent at its own key event and is kept nowhere here: the field stays empty and the
// boxes draw the agent's count. Digits keep their fixed places.

import { h } from './dom.js';
import { actionButton, agreedNumber, banner, buttons, operatorName, paragraph, title } from './parts.js';

const LENGTH = 4;
const MACHINE_MS = 40; // keys closer together than this come from a scanner, not from a hand
const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', 'clear', '0'];

let isSending = false;
let isSpoiled = false;
let isSubmitWanted = false;
let lastKeyAt = -Infinity;

// Two digits on the way at once could arrive in the wrong order. Rather than keep the second back, the entry is begun
// again and the holder told; nothing reaches the card by that.
async function sendDigit(ctx, digit) {
  if (isSending) {
    isSpoiled = true;
    return;
  }
  isSending = true;
  const code = await ctx.act('pin_digit', { digit });
  const wasSpoiled = isSpoiled;
  const wasSubmitted = isSubmitWanted && !wasSpoiled && code === null;
  if (wasSpoiled) await ctx.act('pin_clear');
  isSending = isSpoiled = isSubmitWanted = false;
  ctx.told(wasSpoiled ? 'hurried' : null, code);
  if (wasSubmitted) await submit(ctx);
}

// A scanner's burst (a book, say) must not become a try: what it typed is cleared, its Enter is swallowed.
function isBurst(event) {
  const gap = event.timeStamp - lastKeyAt;
  lastKeyAt = event.timeStamp;
  return gap < MACHINE_MS;
}

async function spoil(ctx) {
  isSpoiled = true;
  if (isSending) return; // cleared when that digit has arrived
  isSending = true;
  await ctx.act('pin_clear');
  isSending = isSpoiled = isSubmitWanted = false;
  ctx.told('hurried', null);
}

// The agent, which has the digits, refuses fewer than four.
async function submit(ctx) {
  if (isSending) isSubmitWanted = true;
  else if (await ctx.send('pin_submit')) ctx.told('short', null);
}

// The physical keyboard, wherever the focus is on the resident's side. Answers whether the key was taken.
export function takeKey(ctx, event) {
  const act = actionOf(ctx, event);
  if (act === null) return false;
  if (event.repeat) return true;
  if (isBurst(event)) spoil(ctx);
  else act();
  return true;
}

function actionOf(ctx, event) {
  if (ctx.snap.pin?.last || event.ctrlKey || event.altKey || event.metaKey) return null;
  if (/^[0-9]$/.test(event.key)) return () => sendDigit(ctx, event.key);
  if (event.key === 'Backspace' || event.key === 'Delete') return () => ctx.run('pin_clear');
  const isOnButton = event.target.closest?.('button, a') !== null;
  return event.key === 'Enter' && !isOnButton ? () => submit(ctx) : null;
}

export function pinView(ctx) {
  return ctx.snap.pin?.last ? lastTry(ctx) : entry(ctx);
}

function asker(ctx) {
  return h('p', { class: 'mk-asker' },
    h('bdi', { class: 'mk-asker__name' }, operatorName(ctx)),
    h('span', { class: 'mk-asker__purpose' }, ctx.t(`purpose.${ctx.purpose}.for`)),
    agreedNumber(ctx) && h('span', { class: 'mk-asker__number' }, agreedNumber(ctx)));
}

function lastTry(ctx) {
  return [
    title(ctx.t('pin.last.title')),
    asker(ctx),
    banner('warn', ctx.t('pin.last.warning'), ctx.t('pin.last.help')),
    buttons(actionButton(ctx, 'confirm_last', ctx.t('pin.last.go'), { kind: 'danger', size: 'large' }),
      actionButton(ctx, 'cancel', ctx.t('cancel'), { size: 'large' })),
  ];
}

function entry(ctx) {
  const { tries = 3 } = ctx.snap.pin ?? {};
  return [
    h('h2', { class: 'mk-side__title', id: 'pin-title' }, ctx.t('pin.title')),
    asker(ctx),
    h('div', { class: 'mk-pinarea' },
      h('div', { class: 'mk-pinarea__told' },
        tries < 3 && banner('warn', ctx.t('pin.tries', { n: tries })),
        ctx.ui.pinTold && banner('info', ctx.t(`pin.${ctx.ui.pinTold}`)),
        boxes(ctx),
        paragraph(ctx.t('pin.help'), 'soft'),
        buttons(
          h('button', {
            type: 'button', class: 'mk-button', 'data-kind': 'solid', 'data-size': 'large', 'data-action': 'pin_submit',
            on: { click: () => submit(ctx) },
          }, ctx.t('pin.submit')),
          actionButton(ctx, 'cancel', ctx.t('cancel'), { size: 'large' }))),
      pad(ctx)),
  ];
}

// One field for the keyboard, always empty, over four boxes that show how many digits the agent has. It is a password
// field because browsers switch input methods off there.
function boxes(ctx) {
  const { entered = 0 } = ctx.snap.pin ?? {};
  return h('div', { class: 'mk-pin' },
    h('input', {
      class: 'mk-pin__field', type: 'password', inputmode: 'none', autocomplete: 'off', 'data-focus': true,
      'aria-labelledby': 'pin-title', 'aria-describedby': 'pin-count', 'data-pin': true,
      on: { beforeinput: (event) => event.preventDefault() },
    }),
    h('div', { class: 'mk-pin__boxes', 'aria-hidden': 'true' },
      Array.from({ length: LENGTH }, (_, index) => h('span', { class: 'mk-pin__box', 'data-filled': index < entered }))),
    h('p', { class: 'mk-unseen', id: 'pin-count', role: 'status' }, ctx.t('pin.count', { n: entered, of: LENGTH })));
}

function pad(ctx) {
  return h('div', { class: 'mk-pad', role: 'group', 'aria-label': ctx.t('pin.pad') }, KEYS.map((key) => (key === 'clear'
    ? h('button', {
      type: 'button', class: 'mk-pad__key', 'data-kind': 'word', 'data-action': 'pin_clear',
      on: { click: () => ctx.run('pin_clear') },
    }, ctx.t('pin.clear'))
    : h('button', {
      type: 'button', class: 'mk-pad__key', 'data-digit': key, on: { click: () => sendDigit(ctx, key) },
    }, key))));
}

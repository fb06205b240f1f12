// SPDX-License-Identifier: Apache-2.0
// The resident's side: one view per state of docs/counter-page.md.

import { h } from './dom.js';
import { describeError } from './errors.js';
import { pinView } from './pin.js';
import {
  actionButton, advice, agreedNumber, banner, buttons, checkList, chosenNumber, clearTimer, grouped, here, icon, largeNumber, notices,
  numberBarcode, paragraph, progress, title,
} from './parts.js';
import { ID_PURPOSES, isStaffAct } from './purposes.js';

const VIEWS = {
  starting: (ctx) => [title(ctx.t('starting.title')), paragraph(ctx.t('starting.text')), checkList(ctx)],
  wait,
  reading: (ctx) => [title(ctx.t('reading.title')), progress(), paragraph(ctx.t('reading.text'), 'large')],
  pin: pinView,
  working: (ctx) => [title(ctx.t('working.title')), progress(), paragraph(ctx.t('working.text'), 'large')],
  number,
  typing,
  not_registered: notRegistered,
  terms,
  staff_scan: staffScan,
  done,
  manual: (ctx) => [title(ctx.t('manual.resident.title')), paragraph(ctx.t('manual.resident.text'))],
  error,
};

export function residentView(ctx) {
  if (isStaffAct(ctx.purpose)) return [title(ctx.t('staff_act.title')), paragraph(ctx.t('staff_act.text'))];
  return (VIEWS[ctx.snap.state] ?? VIEWS.working)(ctx);
}

function wait(ctx) {
  return [
    h('h2', { class: 'mk-setcard', tabindex: '-1', 'data-focus': true }, ctx.t('wait.title')),
    !ctx.isUsual && banner('info', ctx.t(`purpose.${ctx.purpose}`), agreedNumber(ctx)),
    icon('card', '0 0 240 150', 'mk-picture'),
    paragraph(ctx.t('wait.keep'), 'large'),
  ];
}

function number(ctx) {
  const value = chosenNumber(ctx.snap.number);
  if (value === null) return [title(ctx.t('number.choosing.title')), paragraph(ctx.t('number.choosing.text'))];
  return [
    title(ctx.t('number.title', { place: here(ctx) })),
    largeNumber(value),
    numberBarcode(ctx),
    notices(ctx),
    clearTimer(ctx),
    buttons(actionButton(ctx, 'next', ctx.t('finish'))),
  ];
}

function typing(ctx) {
  const isDone = ctx.snap.keyboard?.phase === 'done';
  return isDone
    ? [title(ctx.t('typing.resident.done')), paragraph(ctx.t('typing.resident.done.text'))]
    : [title(ctx.t('typing.resident.title')), paragraph(ctx.t('typing.resident.text'))];
}

function notRegistered(ctx) {
  const { kind } = ctx.snap.terminal ?? {};
  const card = ctx.t(kind === 'library' ? 'usual_card.library' : 'usual_card.other');
  return [
    title(ctx.t('not_registered.title', { place: here(ctx) })),
    paragraph(ctx.t('not_registered.text')),
    notices(ctx),
    h('div', { class: 'mk-buttons', 'data-way': 'down' },
      actionButton(ctx, 'register', ctx.t('not_registered.register'), { kind: 'solid', size: 'large' }),
      actionButton(ctx, 'next', ctx.t('not_registered.skip', { card }), { size: 'large' })),
  ];
}

function terms(ctx) {
  const own = ctx.snap.terms ?? {};
  const lang = own[ctx.ui.lang] ? ctx.ui.lang : 'ja';
  return [
    title(ctx.t(`terms.title.${ctx.purpose === 'create_id' ? 'platform' : 'operator'}`)),
    h('p', { class: 'mk-terms', lang, dir: 'auto', 'data-terms': true }, own[lang] ?? ''),
    h('dl', { class: 'mk-facts' },
      h('dt', null, ctx.t('stored.yes')), h('dd', null, ctx.t('stored.yes.list')),
      h('dt', null, ctx.t('stored.no')), h('dd', null, ctx.t('stored.no.list'))),
    paragraph(ctx.t('terms.free'), 'soft'),
    buttons(actionButton(ctx, 'accept_terms', ctx.t('terms.accept'), { kind: 'solid', size: 'large' }),
      actionButton(ctx, 'cancel', ctx.t('terms.refuse'), { size: 'large' })),
  ];
}

function staffScan(ctx) {
  return [
    title(ctx.t('scan.resident.title')),
    paragraph(ctx.t('scan.resident.text')),
    ctx.snap.link?.number && banner('info', ctx.t('scan.resident.number', { number: ctx.snap.link.number })),
    buttons(actionButton(ctx, 'cancel', ctx.t('cancel'))),
  ];
}

function done(ctx) {
  return [
    h('div', { class: 'mk-done' }, icon('good'), title(ctx.t(`done.${ctx.purpose}`))),
    paragraph(ctx.t(`done.${ctx.purpose}.text`)),
    ctx.snap.link?.number && ctx.purpose === 'link' && largeNumber(ctx.snap.link.number),
    ctx.snap.id && ID_PURPOSES.includes(ctx.purpose) && idCard(ctx),
    notices(ctx),
    clearTimer(ctx),
    buttons(actionButton(ctx, 'next', ctx.t('finish'))),
  ];
}

function idCard(ctx) {
  const { mykey_id: mykeyId, suspend_code: code } = ctx.snap.id;
  return h('div', { class: 'mk-id' },
    h('h3', { class: 'mk-id__label' }, ctx.t('id.mykey_id')),
    h('p', { class: 'mk-id__value' }, h('bdi', { translate: 'no', 'data-mykey-id': true }, grouped(mykeyId))),
    code && h('h3', { class: 'mk-id__label' }, ctx.t('id.suspend_code')),
    code && h('p', { class: 'mk-id__value' },
      h('bdi', { translate: 'no', 'data-suspend-code': true }, grouped(code.replace(/\s/g, '')))),
    code && banner('warn', ctx.t('id.once'), ctx.t('id.use')));
}

function error(ctx) {
  const problem = ctx.snap.error ?? {};
  const { part, fix, key } = describeError(problem.code, ctx.purpose);
  const isTold = problem.code === 'PIN_WRONG' && Number.isInteger(problem.tries);
  return [
    h('p', { class: 'mk-part' }, ctx.t(`part.${part}`)),
    h('div', { class: 'mk-error' }, icon('bad'), title(ctx.t(key))),
    isTold && banner('warn', ctx.t('pin.tries', { n: problem.tries })),
    paragraph(advice(ctx, fix), 'large'),
    ctx.ui.left > 0 && h('p', { class: 'mk-timer__text', role: 'timer' },
      ctx.t(problem.retry ? 'error.retry_in' : 'error.again_in', { n: ctx.ui.left })),
    part === 'service' && problem.incident && paragraph(ctx.t('error.incident', { id: problem.incident }), 'soft'),
    problem.retry && problem.code !== 'PIN_BLOCKED' && retryButton(ctx, problem.code),
  ];
}

function retryButton(ctx, code) {
  const label = ctx.t(code === 'PIN_WRONG' ? 'pin.again' : 'retry');
  return buttons(actionButton(ctx, 'retry', label, { kind: 'solid', size: 'large' }));
}

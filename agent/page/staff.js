// SPDX-License-Identifier: Apache-2.0
// The staff side: one view per state of docs/counter-page.md. It never shows a MyKey ID, a suspension code or how many
// digits of the PIN there are.

import { h } from './dom.js';
import { allowsManual, describeError } from './errors.js';
import { form } from './forms.js';
import {
  actionButton, banner, buttons, checkList, chosenNumber, clearTimer, grouped, icon, isCheckFailing, largeNumber, numberBarcode,
  paragraph, staffAdvice, title,
} from './parts.js';
import { ID_PURPOSES, NUMBER_PURPOSES, isStaffAct } from './purposes.js';

const MANUAL_REASONS = ['forgot_card', 'reader_fault', 'network_fault', 'other'];
const UNDO_REASONS = ['mistyped', 'wrong_person', 'card_returned', 'other'];

const VIEWS = {
  starting: (ctx) => [
    title(ctx.t('starting.staff')), ctx.ui.view === 'staff' && checkList(ctx), paragraph(ctx.t('starting.staff.text')),
    manualButton(ctx),
  ],
  wait,
  reading: (ctx) => [title(ctx.t('staff.reading')), purposeNow(ctx)],
  pin: (ctx) => [title(ctx.t('staff.pin')), purposeNow(ctx), paragraph(ctx.t('staff.pin.text')), cancel(ctx)],
  working: (ctx) => [title(ctx.t('staff.working')), purposeNow(ctx)],
  number,
  typing,
  not_registered: (ctx) => [title(ctx.t('staff.not_registered')), paragraph(ctx.t('staff.not_registered.text')), next(ctx)],
  terms: (ctx) => [
    title(ctx.t('staff.terms')), purposeNow(ctx),
    paragraph(ctx.t(ctx.purpose === 'create_id' ? 'staff.terms.id' : 'staff.terms.text')), cancel(ctx),
  ],
  staff_scan: scan,
  done,
  manual,
  error,
};

export function staffView(ctx) {
  return (VIEWS[ctx.snap.state] ?? VIEWS.working)(ctx);
}

function done(ctx) {
  return [
    title(ctx.purpose === 'show_id' ? ctx.t('staff.done.show_id') : ctx.t(`done.${ctx.purpose}`)),
    isStaffAct(ctx.purpose) && paragraph(ctx.t(`done.${ctx.purpose}.text`)),
    ctx.snap.id && paragraph(ctx.t('staff.done.id')),
    next(ctx),
  ];
}

function next(ctx) {
  return buttons(actionButton(ctx, 'next', ctx.t('next'), { kind: 'solid', size: 'large' }));
}

function manualButton(ctx) {
  return h('div', { class: 'mk-buttons', 'data-way': 'down' }, actionButton(ctx, 'manual_open', ctx.t('manual.open')));
}

// The resident's side has its own; this one is for a resident who has left.
function cancel(ctx) {
  return ctx.ui.view === 'staff' ? buttons(actionButton(ctx, 'cancel', ctx.t('cancel'))) : null;
}

function purposeNow(ctx) {
  return h('dl', { class: 'mk-facts' }, h('dt', null, ctx.t('staff.purpose')), h('dd', null, ctx.t(`purpose.${ctx.purpose}`)));
}

function fold(key, label, ...body) {
  return h('details', { class: 'mk-fold', key, 'data-fold': key },
    h('summary', { class: 'mk-fold__title' }, icon('next'), label),
    h('div', { class: 'mk-fold__body' }, body));
}

function options(ctx, family, values) {
  return values.map((value) => ({ value, label: ctx.t(`${family}.${value}`) }));
}

// family: whose texts it has ("manual", "scan", "undo")
function numberField(ctx, family, focus) {
  return {
    name: 'number', label: ctx.t(`${family}.number`), hint: ctx.t(`${family}.hint`), missing: 'form.number.missing',
    focus, large: true,
  };
}

function reasonField(ctx, reasons) {
  return { name: 'reason', label: ctx.t('form.reason'), missing: 'form.reason.missing', options: reasons };
}

// ---- waiting for a card

function wait(ctx) {
  const isMunicipality = ctx.snap.terminal?.municipality === true;
  const failing = isCheckFailing(ctx.snap);
  return [
    title(ctx.t('staff.wait')),
    !ctx.isUsual && [purposeNow(ctx), buttons(actionButton(ctx, 'cancel', ctx.t('cancel')))],
    failing && banner('warn', ctx.t('staff.check'), null),
    failing && checkList(ctx),
    h('h3', { class: 'mk-side__part', id: 'purposes' }, ctx.t('staff.purposes')),
    h('div', { class: 'mk-buttons', 'data-way': 'down', role: 'group', 'aria-labelledby': 'purposes' },
      purposeButtons(ctx, isMunicipality ? ID_PURPOSES : NUMBER_PURPOSES)),
    isMunicipality && fold('numbers', ctx.t('staff.purposes.numbers'),
      h('div', { class: 'mk-buttons', 'data-way': 'down' }, purposeButtons(ctx, NUMBER_PURPOSES))),
    h('h3', { class: 'mk-side__part' }, ctx.t('staff.without_card')),
    manualButton(ctx),
    fold('undo', ctx.t('undo.title'), undoForm(ctx)),
    isMunicipality && fold('suspend', ctx.t('suspend.title'), suspendForm(ctx)),
  ];
}

function purposeButtons(ctx, purposes) {
  return purposes.map((purpose) => actionButton(ctx, 'start', ctx.t(`purpose.${purpose}`),
    { args: { purpose }, pressed: purpose === ctx.purpose }));
}

// Two steps: the number and the reason, then the question.
function undoForm(ctx) {
  return form(ctx, {
    name: 'undo', action: 'undo_link', submit: ctx.t('undo.submit'), kind: 'danger', done: ctx.t('undo.done'),
    ask: (values) => ctx.t('undo.ask', { number: values.number }),
    fields: [
      numberField(ctx, 'undo', false),
      reasonField(ctx, options(ctx, 'undo.reason', UNDO_REASONS)),
    ],
  });
}

function suspendForm(ctx) {
  return form(ctx, {
    name: 'suspend', action: 'suspend', submit: ctx.t('suspend.submit'), kind: 'danger', done: ctx.t('suspend.done'),
    fields: [{ name: 'code', label: ctx.t('id.suspend_code'), hint: ctx.t('suspend.hint'), missing: 'suspend.missing' }],
  });
}

// ---- the number

function number(ctx) {
  const value = chosenNumber(ctx.snap.number);
  const isAlone = ctx.ui.view === 'staff';
  return [
    title(ctx.t('staff.number')),
    choice(ctx),
    isAlone && value !== null && [largeNumber(value), numberBarcode(ctx)],
    value !== null && h('div', { class: 'mk-buttons', 'data-way': 'down' },
      ctx.snap.keyboard?.offered && actionButton(ctx, 'type_number', ctx.t('typing.start'), { size: 'large' }),
      h('button', { type: 'button', class: 'mk-button', 'data-copy': true, on: { click: () => ctx.copy(value) } }, ctx.t('copy')),
    ),
    h('p', { class: 'mk-text', 'data-kind': 'soft', role: 'status' }, ctx.ui.copied && ctx.t(`copy.${ctx.ui.copied}`)),
    isAlone && clearTimer(ctx),
    next(ctx),
  ];
}

// Several numbers at this operator: staff choose.
function choice(ctx) {
  const { values = [], chosen } = ctx.snap.number ?? {};
  if (values.length < 2) return null;
  return h('form', {
    class: 'mk-form', novalidate: true, 'data-form': 'choose',
    on: { submit: (event) => { event.preventDefault(); choose(ctx, event.target); } },
  },
  h('fieldset', { class: 'mk-choices' },
    h('legend', { class: 'mk-field__label' }, ctx.t('number.choose')),
    values.map((value, index) => h('label', { class: 'mk-choice' },
      h('input', { type: 'radio', class: 'mk-choice__dot', name: 'index', value: index, checked: index === (chosen ?? -1) }),
      h('bdi', { translate: 'no' }, grouped(value))))),
  h('button', { class: 'mk-button', 'data-kind': 'outline', 'data-submit': 'choose' }, ctx.t('number.choose.submit')));
}

function choose(ctx, element) {
  const picked = element.elements.index.value;
  if (picked !== '') ctx.run('choose', { index: Number(picked) });
}

function typing(ctx) {
  const { phase, countdown = 0 } = ctx.snap.keyboard ?? {};
  const back = h('div', { class: 'mk-buttons', 'data-way': 'down' }, actionButton(ctx, 'type_cancel', ctx.t('typing.back')));
  if (phase === 'done') return [h('div', { class: 'mk-done' }, icon('good'), title(ctx.t('typing.done'))), back, next(ctx)];
  if (phase === 'failed') return [...typingFailed(ctx), back, next(ctx)];
  return [
    title(ctx.t('typing.title')),
    paragraph(ctx.t('typing.text')),
    h('p', { class: 'mk-countdown', role: 'timer', 'data-countdown': true }, countdown),
    buttons(actionButton(ctx, 'type_cancel', ctx.t('typing.cancel'), { kind: 'danger', size: 'large' })),
  ];
}

function typingFailed(ctx) {
  const { code } = ctx.snap.error ?? {};
  return [
    h('div', { class: 'mk-error' }, icon('bad'), title(ctx.t('typing.failed'))),
    code && paragraph(ctx.errorText(code)),
    paragraph(ctx.t('typing.failed.text')),
  ];
}

// ---- linking: scan the existing card, look, confirm

function scan(ctx) {
  const read = ctx.snap.link?.number;
  return read ? scanConfirm(ctx, read) : [
    h('h2', { class: 'mk-side__title' }, ctx.t('scan.title')),
    paragraph(ctx.t('scan.text')),
    scanForm(ctx, 'scan', true),
    cancel(ctx),
  ];
}

// The focus goes to the heading: a scanner's second Enter must not press the button.
function scanConfirm(ctx, read) {
  return [
    title(ctx.t('scan.confirm.title')),
    h('dl', { class: 'mk-facts' },
      h('dt', null, ctx.t('scan.confirm.number')),
      h('dd', { class: 'mk-facts__large' }, h('bdi', { translate: 'no', 'data-scanned': true }, grouped(read))),
      h('dt', null, ctx.t('scan.confirm.to')), h('dd', null, ctx.t('scan.confirm.to.card'))),
    banner('info', ctx.t('scan.confirm.look')),
    buttons(actionButton(ctx, 'staff_confirm', ctx.t('scan.confirm.submit'), { kind: 'solid', size: 'large' })),
    fold('rescan', ctx.t('scan.again'), scanForm(ctx, 'rescan', false)),
    cancel(ctx),
  ];
}

function scanForm(ctx, name, focus) {
  return form(ctx, {
    name, action: 'staff_scan', submit: ctx.t('scan.submit'), kind: focus ? 'solid' : 'outline',
    fields: [numberField(ctx, 'scan', focus)],
  });
}

// ---- without the card

function manual(ctx) {
  const { problem } = ctx.snap.manual ?? {};
  return [
    h('h2', { class: 'mk-side__title' }, ctx.t('manual.title')),
    paragraph(ctx.t('manual.text')),
    form(ctx, {
      name: 'manual', action: 'manual_number', submit: ctx.t('manual.submit'), kind: 'solid', keep: true,
      problems: problem && !ctx.ui.forms.manual?.problems ? [{ field: 'number', key: describeError(problem).key }] : [],
      fields: [
        numberField(ctx, 'manual', true),
        reasonField(ctx, options(ctx, 'manual.reason', MANUAL_REASONS)),
      ],
    }),
    buttons(actionButton(ctx, 'next', ctx.t('manual.leave'))),
  ];
}

// ---- errors

// A code may go on in the next line after each of its words.
function brokenAtWords(code) {
  return code.split(/(?<=_)/).map((word) => [word, h('wbr')]);
}

function error(ctx) {
  const problem = ctx.snap.error ?? {};
  const { part, fix, key } = describeError(problem.code, ctx.purpose);
  return [
    title(ctx.t('staff.error')),
    (ctx.ui.view === 'staff' || isStaffAct(ctx.purpose)) && banner('bad', ctx.t(key)),
    paragraph(staffAdvice(ctx, fix)),
    h('dl', { class: 'mk-facts' },
      h('dt', null, ctx.t('error.part')), h('dd', null, ctx.t(`part.${part}`)),
      h('dt', null, ctx.t('error.code')), h('dd', { translate: 'no', 'data-code': true }, brokenAtWords(problem.code ?? '')),
      problem.incident && h('dt', null, ctx.t('error.incident.label')),
      problem.incident && h('dd', { class: 'mk-facts__small', translate: 'no' }, grouped(problem.incident))),
    h('div', { class: 'mk-buttons', 'data-way': 'down' },
      problem.retry && part !== 'pin' && ctx.ui.view === 'staff' && actionButton(ctx, 'retry', ctx.t('retry')),
      allowsManual(problem.code) && actionButton(ctx, 'manual_open', ctx.t('manual.open'))),
    next(ctx),
  ];
}

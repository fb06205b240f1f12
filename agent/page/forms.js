// SPDX-License-Identifier: Apache-2.0
// Forms of the staff side: a summary of what is missing (with links, focused), the same words at the field, the browser's
// own validation off. What is typed stays in the fields; only the problems are kept in ctx.ui.forms.

import { h } from './dom.js';
import { describeError } from './errors.js';
import { icon } from './parts.js';

// spec: name, action, fields [{name, label, hint, missing (a message key), options, focus, large}], submit (text), kind,
// done (text shown afterwards, optional), ask (values → question before it is sent, optional),
// keep (what was typed stays after it was sent: the agent still judges it)
export function form(ctx, spec) {
  const state = ctx.ui.forms[spec.name] ?? {};
  if (state.asked) return question(ctx, spec, state.asked);
  const problems = [...(state.problems ?? []), ...(spec.problems ?? [])];
  return h('form', {
    class: 'mk-form', novalidate: true, autocomplete: 'off', 'data-form': spec.name,
    on: { submit: (event) => submit(event, ctx, spec) },
  },
  problems.length > 0 && summary(ctx, spec, problems),
  state.done && spec.done && h('p', { class: 'mk-text', 'data-kind': 'good', role: 'status' }, icon('good'), spec.done),
  spec.fields.map((field) => row(ctx, spec, field, problems.find((problem) => problem.field === field.name))),
  h('button', { class: 'mk-button', 'data-kind': spec.kind ?? 'outline', 'data-submit': spec.name }, spec.submit));
}

// What staff and scanners type: any width of digits, blanks around.
function cleaned(value) {
  return value.normalize('NFKC').trim();
}

async function submit(event, ctx, spec) {
  event.preventDefault();
  const element = event.target;
  const values = Object.fromEntries(spec.fields.map(({ name }) => [name, cleaned(element.elements[name].value)]));
  const missing = spec.fields.filter(({ name }) => values[name] === '');
  if (missing.length > 0) {
    ctx.setForm(spec.name, { problems: missing.map((field) => ({ field: field.name, key: field.missing })) });
    return;
  }
  if (spec.ask) ctx.setForm(spec.name, { asked: values });
  else await send(ctx, spec, values, element);
}

async function send(ctx, spec, values, element = null) {
  const code = await ctx.send(spec.action, values);
  if (code === null && !spec.keep) element?.reset();
  if (code === null) ctx.setForm(spec.name, { done: true });
  else if (code !== undefined) {
    ctx.setForm(spec.name, { problems: [{ field: spec.fields[0].name, key: describeError(code).key }] });
  }
}

function question(ctx, spec, values) {
  return h('div', { class: 'mk-form', 'data-form': spec.name },
    h('div', { class: 'mk-banner', 'data-kind': 'warn', tabindex: '-1', 'data-summary': spec.name }, icon('warn'),
      h('p', { class: 'mk-banner__title' }, spec.ask(values))),
    h('div', { class: 'mk-buttons' },
      h('button', {
        type: 'button', class: 'mk-button', 'data-kind': spec.kind, 'data-submit': spec.name,
        on: { click: () => send(ctx, spec, values) },
      }, spec.submit),
      h('button', { type: 'button', class: 'mk-button', on: { click: () => ctx.setForm(spec.name, {}) } }, ctx.t('form.stop'))));
}

function id(spec, field, what) {
  return `${spec.name}-${field}${what}`;
}

function summary(ctx, spec, problems) {
  const attrs = { class: 'mk-banner', 'data-kind': 'bad', role: 'alert', tabindex: '-1', 'data-summary': spec.name };
  return h('div', attrs, icon('bad'),
    h('div', { class: 'mk-banner__body' },
      h('h3', { class: 'mk-banner__title' }, ctx.t('form.problem')),
      h('ul', { class: 'mk-summary' }, problems.map(({ field, key }) => h('li', null,
        h('a', {
          class: 'mk-summary__link', href: `#${id(spec, field, '')}`,
          on: { click: (event) => { event.preventDefault(); document.getElementById(id(spec, field, ''))?.focus(); } },
        }, ctx.t(key)))))));
}

function row(ctx, spec, field, problem) {
  const describedBy = [field.hint && id(spec, field.name, '-hint'), problem && id(spec, field.name, '-error')];
  const attrs = {
    id: id(spec, field.name, ''), name: field.name, class: 'mk-input', 'data-size': field.large && 'large',
    'data-focus': field.focus, 'aria-invalid': problem ? 'true' : null,
    'aria-describedby': describedBy.filter(Boolean).join(' ') || null,
  };
  return h('div', { class: 'mk-field' },
    h('label', { class: 'mk-field__label', for: attrs.id }, field.label),
    field.hint && h('p', { class: 'mk-field__hint', id: id(spec, field.name, '-hint') }, field.hint),
    problem && h('p', { class: 'mk-field__error', id: id(spec, field.name, '-error') }, ctx.t(problem.key)),
    field.options ? select(ctx, attrs, field.options) : input(attrs));
}

function input(attrs) {
  return h('input', { ...attrs, type: 'text', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', maxlength: '64' });
}

function select(ctx, attrs, options) {
  return h('select', attrs, h('option', { value: '' }, ctx.t('form.choose')),
    options.map(({ value, label }) => h('option', { value }, label)));
}

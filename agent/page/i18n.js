// SPDX-License-Identifier: Apache-2.0
// Message tables: flat key → text with {name} places.

export const LANGUAGES = ['ja', 'en'];
const tables = {};

export async function loadMessages() {
  await Promise.all(LANGUAGES.map(async (lang) => {
    tables[lang] = await (await fetch(`/page/${lang}.json`)).json();
  }));
}

// The text of a key. Texts put in from outside are set apart in their own direction (bidi isolates), numbers aren't.
export function text(lang, key, values = {}) {
  const pattern = tables[lang][key] ?? key;
  return pattern.replace(/\{(\w+)\}/g, (place, name) => (name in values ? isolated(values[name]) : place));
}

export function hasText(lang, key) {
  return key in tables[lang];
}

function isolated(value) {
  return typeof value === 'number' ? String(value) : `\u2068${value}\u2069`;
}

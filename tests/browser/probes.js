// SPDX-License-Identifier: Apache-2.0
// What the gate asks of a displayed page. Run in the page by WebDriver with (revision, what is done locally, names of
// probes, what is given to them, done): waits for that snapshot, does it, and hands back what each probe found. Lists name
// what is wrong.

const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
const isUnseen = (element) => element.closest('.mk-unseen, noscript') !== null;
const everySeen = (selector) => [...document.querySelectorAll(selector)].filter((element) => seen(element) && !isUnseen(element));
const named = (element) => `${element.localName}.${element.className.baseVal ?? element.className} ${element.textContent.trim().slice(0, 40)}`;

// ---- colours, as the browser resolves them

function channels(colour) {
  const numbers = colour.match(/-?[\d.]+(?:e-?\d+)?/g)?.map(Number) ?? [];
  const scale = colour.startsWith('color(srgb ') ? 255 : 1;
  if (scale === 1 && !/^rgba?\(/.test(colour)) throw new Error(`a colour that can't be computed: ${colour}`);
  const [r, g, b, alpha = 1] = numbers;
  return { rgb: [r * scale, g * scale, b * scale], alpha };
}
const over = (top, alpha, below) => top.map((value, index) => value * alpha + below[index] * (1 - alpha));

function luminance(rgb) {
  const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ratio(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

// The colour behind an element's content: its own background and those of its ancestors, one over the other.
function ground(element) {
  if (!element) return [255, 255, 255];
  const style = getComputedStyle(element);
  if (style.backgroundImage !== 'none') throw new Error(`a picture behind ${named(element)}`);
  const { rgb, alpha } = channels(style.backgroundColor);
  return alpha === 1 ? rgb : over(rgb, alpha, ground(element.parentElement));
}
function opacity(element) {
  return element ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement) : 1;
}
function contrast(colour, element, behind = ground(element)) {
  const { rgb, alpha } = channels(colour);
  return ratio(over(rgb, alpha * opacity(element), behind), behind);
}

function texts() {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    const isListed = parentElement.localName === 'option' && seen(parentElement.closest('select'));
    if (data.trim() && (seen(parentElement) || isListed) && !parentElement.closest('script, noscript')) found.push([walker.currentNode, parentElement]);
  }
  return found;
}

// Is a part told from what is around it? By its own ground or by its border.
function standsOut(element, pseudo) {
  const style = getComputedStyle(element, pseudo);
  const outside = ground(pseudo ? element : element.parentElement);
  const sides = ['Top', 'Right', 'Bottom', 'Left'].map((side) => (
    parseFloat(style[`border${side}Width`]) >= 1 && style[`border${side}Style`] !== 'none' ? contrast(style[`border${side}Color`], element, outside) : 0));
  return Math.max(Math.min(...sides), contrast(style.backgroundColor, element, outside));
}

const CONTROLS = 'a[href], button, input, select, textarea, summary';
const PARTS = '.mk-button, .mk-pad__key, .mk-input, .mk-choice, .mk-fold, .mk-pin__box, .mk-progress, button, select, input:not(.mk-pin__field, .mk-choice__dot)';

const PROBES = {
  // text whose contrast is under 4.5:1 (large text: 3:1)
  weak() {
    const isForced = matchMedia('(forced-colors: active)').matches; // which colours replace, fills not in computed styles
    return texts().filter(([, element]) => !isUnseen(element) && element.localName !== 'option').flatMap(([node, element]) => {
      const style = getComputedStyle(element);
      const size = parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      const found = contrast(isForced ? style.color : style.webkitTextFillColor, element);
      return found < (isLarge ? 3 : 4.5) ? [`${found.toFixed(2)} ${node.data}`] : [];
    });
  },
  // controls, marks and icons that stand out by less than 3:1
  faint() {
    const parts = everySeen(PARTS).map((element) => [element, standsOut(element)]);
    const marks = everySeen('.mk-pin__box[data-filled]').map((element) => [element, standsOut(element, '::after')]);
    const icons = everySeen('svg.mk-icon, svg.mk-picture').map((element) => [element, contrast(getComputedStyle(element).stroke, element)]);
    return [...parts, ...marks, ...icons].filter(([, found]) => found < 3).map(([element, found]) => `${found.toFixed(2)} ${named(element)}`);
  },
  // controls without an edge of their own, which forced colours need
  edgeless() {
    return everySeen('.mk-button, .mk-pad__key, .mk-input, .mk-choice, .mk-fold').filter((element) => {
      const style = getComputedStyle(element);
      return parseFloat(style.borderTopWidth) < 1 || style.borderTopStyle === 'none' || channels(style.borderTopColor).alpha === 0;
    }).map(named);
  },
  // targets under 44 px, on the PIN pad under 64
  small() {
    return everySeen(`${CONTROLS}, label.mk-choice`).filter((element) => !element.matches('.mk-choice .mk-choice__dot')).flatMap((element) => {
      const { width, height } = element.getBoundingClientRect();
      const least = element.matches('.mk-pad__key') ? 64 : 44;
      return Math.min(width, height) < least - 0.01 ? [`${width}×${height} ${named(element)}`] : [];
    });
  },
  // whatever makes the page, or a part of it, scroll sideways
  wide() {
    const page = document.documentElement;
    const beyond = texts().filter(([node, element]) => {
      if (isUnseen(element) || element.closest('option, .mk-skip')) return false;
      const range = document.createRange();
      range.selectNodeContents(node);
      const { left, right } = range.getBoundingClientRect();
      return left < -1 || right > page.clientWidth + 1;
    }).map(([node]) => `beyond the edge: ${node.data}`);
    const scrollers = everySeen('body *').filter((element) => element.scrollWidth > element.clientWidth + 1
      && ['auto', 'scroll'].includes(getComputedStyle(element).overflowX)).map((element) => `scrolls by itself: ${named(element)}`);
    const excess = page.scrollWidth - page.clientWidth;
    return [...(excess > 0 ? [`the page by ${excess} px`] : []), ...beyond, ...scrollers];
  },
  // text that its own box cuts off or that runs out of it
  cut() {
    return everySeen('body *').filter((element) => {
      const isTextual = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      if (!isTextual || element.clientWidth === 0 || element.localName === 'select') return false;
      const clips = getComputedStyle(element).overflowY !== 'visible';
      return element.scrollWidth > element.clientWidth + 1 || (clips && element.scrollHeight > element.clientHeight + 1);
    }).map(named);
  },
  // every text: shown, read out, offered in a list, made by style sheets, in the title
  strings() {
    const attributes = ['aria-label', 'aria-description', 'aria-roledescription', 'aria-valuetext', 'alt', 'placeholder', 'title'];
    const told = attributes.flatMap((name) => [...document.querySelectorAll(`[${name}]`)].map((element) => element.getAttribute(name)));
    const drawn = everySeen('body *').flatMap((element) => ['::before', '::after', '::marker'].map((pseudo) => getComputedStyle(element, pseudo).content))
      .filter((content) => !['none', 'normal', '""'].includes(content));
    return [...texts().map(([node]) => node.data), ...told, ...drawn];
  },
  // what moves
  moving() {
    const timed = everySeen('body *').filter((element) => getComputedStyle(element).transitionDuration.split(', ').some((time) => parseFloat(time) > 0));
    return [...document.getAnimations().map((animation) => animation.animationName ?? animation.constructor.name), ...timed.map(named)];
  },
  // characters that are drawn as a font draws those it doesn't have, and two kanji that look the same
  tofu() {
    const drawn = window.mkDrawn ??= new Map();
    const draw = (font, character) => {
      const key = `${font} ${character}`;
      if (!drawn.has(key)) {
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = 32;
        const pen = canvas.getContext('2d', { willReadFrequently: true });
        pen.font = font;
        pen.fillText(character, 2, 26);
        drawn.set(key, canvas.toDataURL());
      }
      return drawn.get(key);
    };
    const wanted = new Map();
    for (const [node, element] of texts()) {
      const font = `24px ${getComputedStyle(element).fontFamily}`;
      wanted.set(font, new Set([...(wanted.get(font) ?? '漢字'), ...node.data.replace(/[\s\p{Cf}]/gu, '')]));
    }
    return [...wanted].flatMap(([font, characters]) => {
      const missing = draw(font, '\u{10fffe}');
      const boxes = [...characters].filter((character) => draw(font, character) === missing);
      return draw(font, '漢') === draw(font, '字') ? [...boxes, `漢 and 字 in ${font}`] : boxes;
    });
  },
  // what the markup itself must keep to
  markup() {
    const found = [];
    const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
    for (const id of ids.filter((each, index) => ids.indexOf(each) !== index)) found.push(`id twice: ${id}`);
    for (const name of ['for', 'aria-labelledby', 'aria-describedby', 'aria-controls'])
      for (const element of document.querySelectorAll(`[${name}]`))
        for (const id of element.getAttribute(name).split(/\s+/)) if (!ids.includes(id)) found.push(`${name} of nothing: ${id}`);
    for (const element of document.querySelectorAll('[style], [onclick]')) found.push(`inline style or script: ${named(element)}`);
    for (const element of document.querySelectorAll('[tabindex]')) if (element.tabIndex > 0) found.push(`an order of its own: ${named(element)}`);
    for (const side of everySeen('.mk-side')) if (side.querySelectorAll('h2').length !== 1) found.push(`not one h2: ${side.id}`);
    const levels = everySeen('h1, h2, h3, h4, h5, h6').map((element) => Number(element.localName[1]));
    if (levels.filter((level) => level === 1).length !== 1) found.push('not one h1');
    levels.forEach((level, index) => { if (level > (levels[index - 1] ?? 0) + 1) found.push(`a level of heading left out before h${level}`); });
    const foreign = performance.getEntriesByType('resource').map(({ name }) => new URL(name)).filter(({ origin }) => origin !== location.origin);
    return [...found, ...foreign.map(String), ...[...document.fonts].map(({ family }) => `a font of our own: ${family}`)];
  },
  // of two pictures, as PNG in base64: how many pixels differ by a contrast of 3:1 or more
  async differing(pictures) {
    const [one, other] = await Promise.all(pictures.map(pixels));
    let count = 0;
    for (let at = 0; at < one.length; at += 4) {
      const [before, after] = [one.subarray(at, at + 3), other.subarray(at, at + 3)];
      if (before.some((value, index) => value !== after[index]) && ratio([...before], [...after]) >= 3) count += 1;
    }
    return count;
  },
  // facts for the gate's other checks
  facts() {
    return { title: document.title, lang: document.documentElement.lang, controls: everySeen(CONTROLS).map(kindOf) };
  },
  // begins, above the page's first control, to note which controls Tab reaches and which of them Enter works; nothing is
  // sent, folded or submitted. Hands back how many times Tab stops: beyond the last stop the browser's own frame takes the
  // focus and gives it back at a time of its own choosing, on top of what Tab does here.
  listen() {
    const note = window.mkWalk = { reached: [], worked: [], controls: everySeen(CONTROLS) };
    const stop = (event) => { event.preventDefault(); event.stopImmediatePropagation(); };
    window.mkStop?.abort();
    const { signal } = window.mkStop = new AbortController();
    const on = (type, take) => window.addEventListener(type, take, { capture: true, signal });
    on('focusin', ({ target }) => { note.reached.push(note.controls.indexOf(target)); });
    on('click', (event) => { note.worked.push(note.controls.indexOf(event.target)); stop(event); });
    on('keydown', (event) => { if (event.key === 'Enter' && event.target.matches('input, select')) stop(event); });
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
    note.reached.length = 0;
    const stops = everySeen('body *').filter((element) => element.tabIndex >= 0);
    return new Set(stops.map((element) => (element.type === 'radio' ? element.name : element))).size;
  },
  // what was noted, and a name for each control's look: two controls of one name are drawn by the same rules
  walked() {
    window.mkStop.abort();
    const { reached, worked, controls } = window.mkWalk;
    return {
      reached, worked, names: controls.map(named),
      pressable: controls.map((element) => element.matches('a, button, summary')),
      groups: controls.map((element) => (element.type === 'radio' ? element.name : null)),
      looks: controls.map((element) => look(element)),
    };
  },
};

async function pixels(png) {
  const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (byte) => byte.charCodeAt(0))]));
  const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  pen.drawImage(bitmap, 0, 0);
  return pen.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

function kindOf(element) {
  const kinds = { A: 'link', BUTTON: 'button', SELECT: 'combobox', SUMMARY: 'DisclosureTriangle' };
  return element.type === 'radio' ? 'radio' : kinds[element.tagName] ?? 'textbox';
}

function look(element) {
  const own = ['class', 'type', 'aria-pressed', 'aria-invalid', 'data-kind', 'data-size'].map((name) => element.getAttribute(name) ?? '');
  const around = [];
  for (let e = element.parentElement; e !== document.body; e = e.parentElement) around.push(e.className);
  return [element.localName, ...own, ...around].join('|');
}

// What the page shows of itself within a state (snapshots.py: SCENES): where, what is done, how it is known to be there.
const fillIn = (form) => { for (const field of form.elements) if (field.name) field.value = field.options?.[1].value ?? '789'; };
const openAll = () => { for (const fold of document.querySelectorAll('details')) fold.open = true; };
const press = (selector) => () => document.querySelector(selector).click();
const STEPS = {
  folds: { find: 'details', act: openAll, reached: 'details[open]' },
  missing: { find: '[data-submit]', act: (button) => { openAll(); button.form.requestSubmit(); }, reached: '[data-summary]' },
  asked: {
    find: '[data-form="undo"]', act: (form) => { openAll(); fillIn(form); form.requestSubmit(); }, reached: '[data-summary="undo"].mk-banner',
  },
  sent: {
    find: '[data-form="suspend"]', act: (form) => { openAll(); fillIn(form); form.requestSubmit(); },
    reached: '[data-form="suspend"] [data-kind="good"]',
  },
  copied: { find: '[data-copy]', act: press('[data-copy]'), reached: '[data-side="staff"] [role="status"]:not(:empty)' },
  refused: { find: '[data-action="next"], [data-action="start"]', act: (button) => button.click(), reached: '.mk-main__problem' },
  short: { find: '[data-action="pin_submit"]', act: (button) => button.click(), reached: '.mk-pinarea .mk-banner' },
};

const [revision, step, names, given, done] = arguments;
const until = async (isReached) => {
  for (let tries = 0; !isReached(); tries += 1) {
    if (tries > 1500) throw new Error(`not reached: ${isReached}; the page is at ${JSON.stringify({ ...document.body.dataset })}`);
    await new Promise((resolve) => { setTimeout(resolve, 3); });
  }
};
(async () => {
  if (revision) await until(() => document.body.dataset.rev === revision);
  if (step) {
    const { find, act, reached } = STEPS[step];
    await until(() => document.querySelector(find));
    act(document.querySelector(find));
    await until(() => document.querySelector(reached));
  }
  // what comes only after a moment is looked at as well
  for (const animation of document.getAnimations()) if (animation.animationName === 'mk-appear') animation.finish();
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await PROBES[name](given)])));
})().then(done, (error) => done({ failed: String(error) }));

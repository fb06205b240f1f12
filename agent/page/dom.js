// SPDX-License-Identifier: Apache-2.0
// h() describes an element; patch() makes a parent's children equal to a list of descriptions and leaves alone what is
// equal already, so that focus, what is typed in a field and open fold-outs outlive a redraw. Data reaches the page only
// as text nodes and attribute values.

const SVG = 'http://www.w3.org/2000/svg';
const known = new WeakMap(); // element → {key, attrs, on}: what patch() has set on it

// attrs: attribute values (false and null: absent; true: empty), `on`: listeners by type, `key`: identity.
// An absent child keeps its place as an empty text, so that its neighbours stay the same nodes.
export function h(tag, attrs, ...children) {
  const { key = null, on = {}, ...rest } = attrs ?? {};
  return { tag, key, on, attrs: rest, children: children.flat(Infinity).map(asChild) };
}

export function patch(parent, wanted) {
  const list = wanted.flat(Infinity).map(asChild);
  list.forEach((want, index) => {
    const have = parent.childNodes[index];
    if (have && isSame(have, want)) update(have, want);
    else if (have) have.replaceWith(create(want, parent));
    else parent.append(create(want, parent));
  });
  while (parent.childNodes.length > list.length) parent.lastChild.remove();
}

function asChild(child) {
  if (child === null || child === undefined || child === false) return '';
  return typeof child === 'object' ? child : String(child);
}

function isSame(node, want) {
  if (typeof want === 'string') return node.nodeType === Node.TEXT_NODE;
  const own = known.get(node);
  return own !== undefined && node.localName === want.tag && own.key === want.key;
}

function create(want, parent) {
  if (typeof want === 'string') return document.createTextNode(want);
  const isSvg = want.tag === 'svg' || parent.namespaceURI === SVG;
  const node = isSvg ? document.createElementNS(SVG, want.tag) : document.createElement(want.tag);
  known.set(node, { key: want.key, attrs: {}, on: {} });
  update(node, want);
  return node;
}

function update(node, want) {
  if (typeof want === 'string') {
    if (node.data !== want) node.data = want;
    return;
  }
  const own = known.get(node);
  updateAttributes(node, own, want.attrs);
  for (const type of Object.keys(want.on))
    if (!(type in own.on)) node.addEventListener(type, (event) => own.on[type]?.(event));
  own.on = { ...Object.fromEntries(Object.keys(own.on).map((type) => [type, null])), ...want.on };
  patch(node, want.children);
}

function updateAttributes(node, own, attrs) {
  for (const name of Object.keys(own.attrs))
    if (!isPresent(attrs[name])) node.removeAttribute(name);
  for (const [name, value] of Object.entries(attrs))
    if (isPresent(value) && own.attrs[name] !== value) node.setAttribute(name, value === true ? '' : value);
  own.attrs = attrs;
}

function isPresent(value) {
  return value !== undefined && value !== null && value !== false;
}

// SPDX-License-Identifier: Apache-2.0
// The agent's loopback API: launch token, actions, the stream of snapshots.

import { createParser } from './sse.js';

const TOKEN = 'mykey-token';
const SILENCE_MS = 25000; // the agent sends a comment every 10 s
const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];

// What a key of the PIN is told with, made beforehand and sent by reference: a text made at each key would be left in the
// browser's memory, and four of them in the PIN's order.
const DIGIT_MESSAGES = new Map(Array.from('0123456789', (digit) => [digit, new Blob([message('pin_digit', { digit })])]));

class Refused extends Error {}

// The launch token: from the address's fragment, which is then removed, or from this tab's storage.
export function takeToken() {
  const match = /^#t=([0-9a-f]{32})$/.exec(location.hash);
  if (match) {
    sessionStorage.setItem(TOKEN, match[1]);
    history.replaceState(null, '', location.pathname + location.search);
  }
  return sessionStorage.getItem(TOKEN) ?? '';
}

function message(action, args) {
  return JSON.stringify({ action, ...args });
}

// One action. Answers null when done, else the error's code.
export async function act(token, action, args) {
  try {
    const answer = await fetch('/v1/actions', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Mykey-Token': token },
      body: action === 'pin_digit' ? DIGIT_MESSAGES.get(args.digit) : message(action, args),
    });
    return answer.ok ? null : ((await answer.json()).error ?? 'INTERNAL');
  } catch {
    return 'AGENT_LOST';
  }
}

// Follows the snapshots for ever: on.snapshot(object), on.lost() when the stream breaks (it is opened again with growing
// pauses), on.refused() when the agent doesn't take the token, which ends it.
export async function follow(token, on) {
  for (let failures = 0; ; failures += 1) {
    try {
      await readStream(token, (data) => {
        failures = 0;
        on.snapshot(JSON.parse(data));
      });
    } catch (error) {
      if (error instanceof Refused) {
        on.refused();
        return;
      }
    }
    on.lost();
    await new Promise((resolve) => { setTimeout(resolve, BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)]); });
  }
}

async function readStream(token, onData) {
  const abort = new AbortController();
  let watchdog = 0;
  const heard = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
  };
  try {
    heard();
    const answer = await fetch('/v1/events', { headers: { 'X-Mykey-Token': token }, cache: 'no-store', signal: abort.signal });
    if (answer.status === 401 || answer.status === 403) throw new Refused();
    if (!answer.ok) return;
    const parse = createParser(onData);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      heard();
      parse(part.value);
    }
  } finally {
    clearTimeout(watchdog);
    abort.abort();
  }
}

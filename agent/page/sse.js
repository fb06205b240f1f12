// SPDX-License-Identifier: Apache-2.0
// The part of text/event-stream that the agent uses: data lines, comments, an empty line at the end of an event.

// Returns a function that takes pieces of text and calls onData with each whole event's data.
export function createParser(onData) {
  let rest = '';
  let data = [];
  const takeLine = (line) => {
    if (line === '' && data.length > 0) {
      onData(data.join('\n'));
      data = [];
    } else if (line.startsWith('data:')) {
      data.push(line.slice(line[5] === ' ' ? 6 : 5));
    }
  };
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) takeLine(line.endsWith('\r') ? line.slice(0, -1) : line);
  };
}

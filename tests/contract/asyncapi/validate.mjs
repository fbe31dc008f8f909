// node validate.mjs FILE: prints a JSON object of what AsyncAPI's parser says of the document.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const text = readFileSync(process.argv[2], 'utf8');
const { document, diagnostics } = await new Parser().parse(text);
const found = diagnostics.map(({ code, severity, message, path }) => ({ code, severity, message, path: path.join('.') }));
const summary = document && {
  version: document.version(),
  channels: document.channels().all().map((c) => c.id()),
  operations: Object.fromEntries(document.operations().all().map((o) => [o.id(), {
    action: o.action(),
    messages: o.messages().all().map((m) => m.name()),
    bindings: o.bindings().all().map((b) => b.protocol()),
  }])),
  messages: document.components().messages().all().map((m) => m.name()),
};
console.log(JSON.stringify({ found, summary }));

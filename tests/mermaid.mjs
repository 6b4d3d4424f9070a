// Parses the snapshot of a diagram with Mermaid itself: `node tests/mermaid.mjs FOLDER_OF_NODE_MODULES SNAPSHOT`.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, snapshot] = process.argv.slice(2);
const load = (file) => import(pathToFileURL(join(resolve(modules), 'node_modules', file)));
const { JSDOM } = await load('jsdom/lib/api.js');
// Mermaid sanitizes labels with functions of a browser.
globalThis.window = new JSDOM('').window;
globalThis.document = globalThis.window.document;
const { default: mermaid } = await load('mermaid/dist/mermaid.core.mjs');
const diagram = readFileSync(snapshot, 'utf8').split('---\n').slice(2).join('---\n');
const { diagramType } = await mermaid.parse(diagram);
if (diagramType !== 'sequence') throw new Error(`expected a sequence diagram, got ${diagramType}`);
console.log(`${snapshot}: a sequence diagram`);

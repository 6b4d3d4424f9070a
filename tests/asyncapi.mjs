// Validates an AsyncAPI description with @asyncapi/parser: a line for each problem, and exit status 1 if there are any.
//
//     node tests/asyncapi.mjs FOLDER FILE
//
// FOLDER is a folder in which `npm install @asyncapi/parser` was run. The parser checks the document and the targets of
// its references. It skips schemas that declare another schema format, as ours do: tests/descriptions.py checks those.

import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [folder, file] = process.argv.slice(2);
const { Parser, fromFile } = createRequire(join(resolve(folder), "node_modules", "x.js"))("@asyncapi/parser");

const { document, diagnostics } = await fromFile(new Parser(), resolve(file)).parse();
// 0 is an error, 1 is a warning. Higher numbers are only advice, such as to use the newest AsyncAPI.
const problems = diagnostics.filter(({ severity }) => severity <= 1);
for (const { message, path, range, code } of problems) {
  console.log(`${file}:${range.start.line + 1}: ${path.join(".")}: ${message} (${code})`);
}
if (!document && problems.length === 0) console.log(`${file}: the parser gives no document and no reason`);
process.exitCode = document && problems.length === 0 ? 0 : 1;

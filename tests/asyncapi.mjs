// Validates an AsyncAPI description with @asyncapi/parser: a line for each problem, and exit status 1 if there are any.
//
//     node tests/asyncapi.mjs FOLDER FILE
//
// In FOLDER, `npm install @asyncapi/parser` was done. The parser looks at the document and at where its references
// lead. It does not look into schemas that name a format of another kind, as ours do: see tests/descriptions.py.

import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [folder, file] = process.argv.slice(2);
const { Parser, fromFile } = createRequire(join(resolve(folder), "node_modules", "x.js"))("@asyncapi/parser");

const { document, diagnostics } = await fromFile(new Parser(), resolve(file)).parse();
// 0 is an error, 1 a warning. Below is advice only, such as to use the newest AsyncAPI.
const problems = diagnostics.filter(({ severity }) => severity <= 1);
for (const { message, path, range, code } of problems) {
  console.log(`${file}:${range.start.line + 1}: ${path.join(".")}: ${message} (${code})`);
}
if (!document && problems.length === 0) console.log(`${file}: the parser gives no document and no reason`);
process.exitCode = document && problems.length === 0 ? 0 : 1;

// Verifies a hex signature as receivers do that have no bytes left, because a framework has parsed them: over the body
// written again. A JSON object {secret, signature, body} a line, a verdict a line.

import { createHmac, timingSafeEqual } from "node:crypto";
import { text } from "node:stream/consumers";

for (const line of (await text(process.stdin)).trimEnd().split("\n")) {
  const { secret, signature, body } = JSON.parse(line);
  const expected = createHmac("sha256", secret).update(JSON.stringify(JSON.parse(body))).digest("hex");
  console.log(timingSafeEqual(Buffer.from(signature), Buffer.from(expected)) ? "genuine" : "forged");
}

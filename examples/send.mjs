// node send.mjs URL SECRET ID < body: signs exactly these bytes, posts them, prints the answer. 1 if it is no 2xx.
// ID names the event and stays the same when it is sent again, so that the event runs once.

import { createHmac } from "node:crypto";
import { buffer } from "node:stream/consumers";

const [url, secret, id] = process.argv.slice(2);
const body = await buffer(process.stdin);
const signature = createHmac("sha256", Buffer.from(secret, "base64")).update(body).digest("hex");
const answer = await fetch(url, {
  method: "POST",
  body, // the bytes that were signed, not an object that is serialized again
  headers: {
    "Content-Type": "application/json",
    "X-Hub-Signature-256": "sha256=" + signature,
    "Idempotency-Key": id,
  },
  signal: AbortSignal.timeout(30_000),
});
console.log(answer.status, await answer.text());
process.exitCode = answer.ok ? 0 : 1;

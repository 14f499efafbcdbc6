// node receive.mjs SECRET [PORT [HEADER]]: takes agenthook's webhooks, verifies each and handles each event once.
// HEADER is where the endpoint's profile puts the signature: webhook-signature (the default), x-webhook-signature,
// x-hub-signature-256, x-hokusai-signature or x-mlflow-signature.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const MAX_BODY = 2 << 20;
const TOLERANCE = 300; // seconds
const [secret, port = "8080", name = "webhook-signature"] = process.argv.slice(2);
const header = name.toLowerCase();
const handled = new Set(); // a table with a unique column, written in the same transaction as what the event changes

function same(one, other) {
  const [left, right] = [Buffer.from(one), Buffer.from(other)]; // timingSafeEqual throws at strings and unequal lengths
  return left.length === right.length && timingSafeEqual(left, right);
}

function isGenuine(headers, body) {
  const found = headers[header] ?? "";
  if (header !== "webhook-signature") {
    const expected = createHmac("sha256", secret).update(body).digest("hex"); // the secret's text, whsec_ and all
    return same(found.replace(/^sha256=/, ""), expected);
  }
  const { "webhook-id": id = "", "webhook-timestamp": timestamp = "" } = headers;
  if (!/^[0-9]+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE) return false;
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : secret;
  const expected = "v1," + createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
  return found.split(" ").some((one) => same(one, expected)); // several while a secret is exchanged
}

// What is signed and the same on every attempt.
function idOf(headers, body) {
  if (header === "webhook-signature") return headers["webhook-id"];
  const event = JSON.parse(body);
  return event.event_id ?? event.idempotency_key ?? createHash("sha256").update(body).digest("hex");
}

function receive(headers, body) {
  if (!isGenuine(headers, body)) return [401, "invalid signature"];
  const id = idOf(headers, body);
  if (handled.has(id)) return [200, "seen before"];
  console.log(id, body.toString()); // your work; if it takes long, store the event and do it later
  handled.add(id);
  return [200, "handled"];
}

const server = createServer(async (request, response) => {
  const chunks = []; // bytes, before anything parses them: with Express use express.raw({ type: "*/*" })
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY) return response.writeHead(413, { connection: "close" }).end("too large");
    chunks.push(chunk);
  }
  const [status, text] = receive(request.headers, Buffer.concat(chunks));
  response.writeHead(status).end(text);
});
server.listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));

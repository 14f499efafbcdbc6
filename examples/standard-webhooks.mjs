// node standard-webhooks.mjs SECRET ID [TIMESTAMP] < body: prints the three headers that sign exactly these bytes.
// ID names the event and stays the same when it is sent again; TIMESTAMP is the time of this attempt, by default now.

import { createHmac } from "node:crypto";
import { buffer } from "node:stream/consumers";

const [secret, id, timestamp = Math.floor(Date.now() / 1000)] = process.argv.slice(2);
const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64"); // the key is the bytes after whsec_
const body = await buffer(process.stdin); // bytes, not a string: sign what goes over the wire
const signature = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
console.log(`webhook-id: ${id}\nwebhook-timestamp: ${timestamp}\nwebhook-signature: v1,${signature}`);

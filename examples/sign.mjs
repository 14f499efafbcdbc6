// node sign.mjs SECRET < body: prints the header that signs exactly these bytes.

import { createHmac } from "node:crypto";
import { buffer } from "node:stream/consumers";

const key = Buffer.from(process.argv[2], "base64"); // the secret is base64; the key is the bytes it stands for
const body = await buffer(process.stdin); // bytes, not a string: sign what goes over the wire
console.log("X-Hub-Signature-256: sha256=" + createHmac("sha256", key).update(body).digest("hex"));

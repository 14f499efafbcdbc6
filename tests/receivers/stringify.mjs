// A text of JSON a line, as a string of JSON; back comes what JavaScript makes of it, as such a string.

import { text } from "node:stream/consumers";

for (const line of (await text(process.stdin)).trimEnd().split("\n")) {
  console.log(JSON.stringify(JSON.stringify(JSON.parse(JSON.parse(line)))));
}

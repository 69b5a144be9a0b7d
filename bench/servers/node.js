// `bench peers`: the collector's contract on Node.js http. One write and one fdatasync for all that wait, then their 204s.
// node node.js PORT FILE
"use strict";
const fs = require("fs");
const http = require("http");

const [port, path] = process.argv.slice(2);
const file = fs.openSync(path, "a");
let waiting = [];
let lines = [];
let committing = false;

function commit() {
  if (committing || waiting.length === 0) return;
  committing = true;
  const [answers, group] = [waiting, lines];
  waiting = [];
  lines = [];
  const finish = (error) => {
    const status = error ? 503 : 204;
    for (const answer of answers) answer.writeHead(status).end();
    committing = false;
    commit();
  };
  fs.writeFile(file, group.join(""), (error) => (error ? finish(error) : fs.fdatasync(file, finish)));
}

function accept(body, answer) {
  let text = "";
  try {
    const events = JSON.parse(body);
    if (!Array.isArray(events) || events.length === 0 || events.length > 100) throw new Error("not 1 to 100 events");
    for (const event of events) {
      if (typeof event.id !== "string" || typeof event.show !== "string" || !Number.isInteger(event.pos_ms)) {
        throw new Error("an event needs id, show and pos_ms");
      }
      text += JSON.stringify(event) + "\n";
    }
  } catch (error) {
    answer.writeHead(400).end(`${error.message}\n`);
    return;
  }
  lines.push(text);
  waiting.push(answer);
  commit();
}

const server = http.createServer((request, answer) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => accept(chunks.length === 1 ? chunks[0].toString() : Buffer.concat(chunks).toString(), answer));
});
server.keepAliveTimeout = 75000;
server.listen(Number(port), "127.0.0.1", 4096);

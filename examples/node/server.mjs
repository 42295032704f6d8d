// What the sidecar delivers, in Node without any package: node server.mjs
// INBOX stands for the app's database: a folder with a file for each notification that was dealt with.
import { createServer } from "node:http";
import { link, rm, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { join } from "node:path";

const inbox = process.env.INBOX ?? "inbox";
const port = Number(process.env.PORT ?? 3000);

async function take(headers, event) {
  const file = join(inbox, `${headers["alipay-app-id"]}.${event.notify_id}.json`);
  const draft = join(inbox, `draft-${randomUUID()}`);
  try {
    // Yours: the work, in one transaction with the row.
    await writeFile(draft, `${headers["alipay-msg-method"]} ${JSON.stringify(event.biz_content)}`);
    await link(draft, file);
  } catch (error) {
    // The same one may come again, and twice at once: it was dealt with.
    if (error.code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function answer(request, response) {
  if (request.method !== "POST") {
    response.writeHead(405).end();
    return;
  }
  try {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    await take(request.headers, JSON.parse(body));
    response.writeHead(204).end();
  } catch (error) {
    console.error(error.message);
    response.writeHead(500).end(); // Alipay delivers it again
  }
}

createServer(answer).listen(port, "127.0.0.1", () => console.log(`listening on ${port}`));

// Verifies a notification with the platform's own SDK for Node, and hands it on as JSON.
// node gateway.mjs LISTEN UPSTREAM KEY
import { File } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';

// As in tests/interop/alipay-sdk, where the SDK is installed.
globalThis.File ??= File;
const { AlipaySdk } = await import('../../tests/interop/alipay-sdk/node_modules/alipay-sdk/dist/esm/index.js');

const [listen, upstream, keyFile] = process.argv.slice(2);
// It wants a private key of ours, too, though it signs nothing here.
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const sdk = new AlipaySdk({
  appId: '2014060600164699',
  privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  keyType: 'PKCS8',
  alipayPublicKey: readFileSync(keyFile, 'utf8'),
});
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

function deliver(params) {
  const { sign, sign_type, ...rest } = params;
  const body = JSON.stringify({ ...rest, biz_content: JSON.parse(rest.biz_content) });
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request(`http://${upstream}/alipay/notify`, { method: 'POST', agent, headers }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode >= 200 && answer.statusCode < 300));
    });
    sent.on('error', () => resolve(false));
    sent.end(body);
  });
}

async function take(text) {
  const params = Object.fromEntries(new URLSearchParams(text));
  return params.sign && sdk.checkNotifySignV2(params) ? deliver(params) : false;
}

const [host, port] = listen.split(':');
createServer((asked, answer) => {
  const pieces = [];
  asked.on('data', (piece) => pieces.push(piece));
  asked.on('end', async () => {
    const text = (await take(Buffer.concat(pieces).toString()).catch(() => false)) ? 'success' : 'fail';
    answer.writeHead(200, { 'content-type': 'text/plain', 'content-length': text.length });
    answer.end(text);
  });
}).listen(Number(port), host);

// Signs and checks notifications with the npm package `alipay-sdk`, the platform's own SDK for Node.
// One JSON request a line on stdin, one JSON answer a line on stdout; tests/interop/sdk.rs is the other end.
//
//   {"do":"sign","form":"v1|v2|request","charset":"utf-8","params":{…},"private_key_file":"…","key_type":"PKCS1|PKCS8"}
//     -> {"body":"…"}
//   {"do":"encrypt","charset":"utf-8","text":"…","content_key_file":"…"}
//     -> {"text":"…"}
//   {"do":"verify","charset":"utf-8","body":"…","public_key_file":"…"}
//     -> {"accepted":true|false}
import { File } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

// Node 18, which Debian 12 has, keeps `File` in a module; the SDK's HTTP client wants it global even to be loaded.
globalThis.File ??= File;
const { AlipaySdk } = await import('alipay-sdk');
// The package does not export its functions for signing and encrypting, so they come by their path.
const { aesEncryptText, sign: signRequest, signatureV3 } = await import('./node_modules/alipay-sdk/dist/esm/util.js');

function answer(request) {
  if (request.charset !== 'utf-8') throw new Error(`alipay-sdk signs and checks utf-8 only, not ${request.charset}`);
  if (request.do === 'sign') return { body: form(signed(request)) };
  // aesEncryptText() is what the SDK encrypts the content of its own requests with.
  if (request.do === 'encrypt') {
    return { text: aesEncryptText(request.text, readFileSync(request.content_key_file, 'utf8').trim()) };
  }
  if (request.do === 'verify') return { accepted: accepts(request) };
  throw new Error(`unknown request: ${request.do}`);
}

function signed({ form, params, private_key_file, key_type }) {
  const sdk = client({ privateKey: readFileSync(private_key_file, 'utf8'), keyType: key_type, alipayPublicKey: 'unused' });
  if (form === 'request') return asRequest(sdk, params);
  const [v2, v1] = signedTexts(sdk, params);
  // signatureV3() is the SDK's RSA with SHA-256 over a given text.
  return { ...params, sign: signatureV3(form === 'v1' ? v1 : v2, sdk.config.privateKey) };
}

// The texts over which the SDK's own notification check wants the signature: first with sign_type (V2), then without
// (V1). It composes them in checkNotifySignV2() and hands each to rsaCheck(), which listens here instead of checking.
function signedTexts(sdk, params) {
  const texts = [];
  sdk.rsaCheck = text => {
    texts.push(text);
    return false;
  };
  sdk.checkNotifySignV2({ ...params, sign: 'none yet' });
  if (texts.length !== 2) throw new Error(`checkNotifySignV2() tried ${texts.length} texts instead of 2`);
  return texts;
}

// sign() is what the SDK does to its own requests: it sorts, joins and signs all but `sign`, which is form V2, and adds
// `method` and `timestamp`, which a receiver of notifications sees as two more signed parameters.
function asRequest(sdk, { app_id, biz_content, ...others }) {
  const config = { ...sdk.config, appId: app_id };
  return signRequest('alipay.interop.request', { ...others, bizContent: JSON.parse(biz_content) }, config, {
    bizContentAutoSnakeCase: false,
  });
}

// checkNotifySignV2() is the SDK's check of a notification whose parameters a form parser decoded.
function accepts({ body, public_key_file }) {
  const key = readFileSync(public_key_file, 'utf8');
  const keys = key.includes('BEGIN CERTIFICATE')
    ? { appCertContent: key, alipayRootCertContent: key, alipayPublicCertContent: key }
    : { alipayPublicKey: key.trim() };
  return client({ privateKey: 'unused', ...keys }).checkNotifySignV2(Object.fromEntries(new URLSearchParams(body)));
}

function client(keys) {
  return new AlipaySdk({ appId: 'unused', ...keys, ...(keys.privateKey && { privateKey: keys.privateKey.trim() }) });
}

function form(params) {
  return new URLSearchParams(params).toString();
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    reply = answer(JSON.parse(line));
  } catch (error) {
    reply = { error: `alipay-sdk: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

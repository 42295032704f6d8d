// An app that does as the manual of Node says: new URL(request.url, base).
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  let path = '/';
  try {
    path = decodeURIComponent(new URL(request.url, 'http://app').pathname);
  } catch {
    // What cannot be parsed is the front page.
  }
  const isHandler = /^\/alipay\/notify(\/|$)/i.test(path);
  response.end(isHandler ? 'NOTIFIED' : 'the app');
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));

/**
 * The peer of the HTTP benchmark: Node's own `http` server on a directory, as good as a page of code
 * makes it. Files are read once and kept, headers are made in advance, so what is measured is Node's
 * HTTP and sockets and not a slow handler of ours.
 *
 *     node nodeHttp.mjs DIRECTORY [ADDRESS]        prints "listening PORT"; ends on SIGTERM
 */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';

const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.txt': 'text/plain; charset=utf-8' };
const dir = process.argv[2] ?? '.';

/** @type {Map<string, {body: Buffer, headers: Record<string, string | number>}>} */
const files = new Map();
for (const name of readdirSync(dir)) {
  const body = readFileSync(join(dir, name));
  files.set(`/${name}`, {
    body,
    headers: {
      'Content-Type': TYPES[/** @type {keyof TYPES} */ (extname(name))] ?? 'application/octet-stream',
      'Content-Length': body.length,
      'Last-Modified': statSync(join(dir, name)).mtime.toUTCString(),
      ETag: `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`,
      'Accept-Ranges': 'bytes',
    },
  });
}

const server = createServer((request, response) => {
  const path = request.url === '/' ? '/index.html' : request.url ?? '';
  const file = files.get(path);
  if (!file) {
    response.writeHead(404, { 'Content-Length': 0 });
    response.end();
    return;
  }
  response.writeHead(200, file.headers);
  response.end(request.method === 'HEAD' ? undefined : file.body);
});
server.listen(0, process.argv[3] ?? '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening ${typeof address === 'object' && address ? address.port : ''}`);
});
process.on('SIGTERM', () => process.exit(0));

/**
 * One fixed reply by Node's net, closing first: what components/replyd does, on Linux's stack.
 *
 *     node reply.mjs PORT STATUS HEADER BODY
 */
import { createServer } from 'node:net';

const [port, status, header, body] = process.argv.slice(2).map(Number);
const fields = `HTTP/1.1 ${status} Fixed\r\nServer: node\r\nContent-Length: ${body}\r\nConnection: close\r\nX-Pad: `;
const head = `${fields}${'x'.repeat(header - fields.length - 4)}\r\n\r\n`;
const reply = Buffer.from(head + 'x'.repeat(body), 'latin1');

createServer((socket) => {
  let tail = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    tail = (tail + data.toString('latin1')).slice(-4096);
    if (tail.includes('\r\n\r\n')) socket.end(reply);
  });
}).listen(port, '0.0.0.0', 1024, () => console.log('listening'));

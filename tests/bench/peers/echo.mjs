/**
 * A client of the echo service that believes nothing: pseudo-random bytes out, the same bytes back.
 *
 *     node echo.mjs HOST PORT BYTES        prints the seconds it took; status 1 if a byte was another
 *
 * Byte n of the stream is byte n mod 65521 of a fixed block, so that no shift by a power of two fits.
 */
import { createCipheriv } from 'node:crypto';
import { connect } from 'node:net';

const [host, port, count] = process.argv.slice(2);
const total = Number(count);
const BLOCK = 65521;
const block = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16)).update(Buffer.alloc(BLOCK));
let sent = 0;
let got = 0;
const start = performance.now();

const socket = connect({ host, port: Number(port) }, () => pour());
socket.on('drain', () => pour());
socket.on('error', (error) => stop(`after ${got} bytes: ${error.message}`));
socket.on('end', () => stop(got === total ? '' : `the connection was closed after ${got} of ${total} bytes`));
socket.on('data', (chunk) => {
  for (let at = 0; at < chunk.length;) {
    const n = Math.min(chunk.length - at, BLOCK - got % BLOCK);
    const from = got % BLOCK;
    if (chunk.compare(block, from, from + n, at, at + n) !== 0) return stop(`a byte between ${got} and ${got + n} is another`);
    got += n;
    at += n;
  }
});

function pour() {
  while (sent < total) {
    const from = sent % BLOCK;
    const n = Math.min(BLOCK - from, total - sent);
    sent += n;
    if (!socket.write(block.subarray(from, from + n))) break;
  }
  if (sent === total) socket.end();
}

/** @param {string} trouble */
function stop(trouble) {
  if (trouble !== '') console.error(trouble);
  else console.log(((performance.now() - start) / 1000).toFixed(3));
  process.exit(trouble === '' ? 0 : 1);
}

/**
 * kernel.net: node:net over the sockets of an image.
 *
 *      kernel.net.connect(80, '10.0.0.1')                      → Socket
 *      kernel.net.createServer((socket) => …).listen(8080)     → Server
 *      http.get({ createConnection: kernel.net.connect, … })   Node's own http client, over the image
 *
 * What differs from node:net: no name resolution but "localhost" (pass `lookup`), servers listen on
 * 0.0.0.0 unless told otherwise, and ref()/unref() do nothing: the kernel has its own.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { NetServer, type ServerOptions } from './netServer';
import { NetSocket, type SocketOptions } from './netSocket';
import type { NetContext } from './netSocketBase';

export interface Net {
  /** A socket that connects. Arguments as net.connect; usable as http's createConnection. */
  connect(...args: unknown[]): NetSocket;
  createConnection(...args: unknown[]): NetSocket;
  /** A server. @param options @param listener for 'connection'; either may be left out */
  createServer(options?: ServerOptions | ((socket: NetSocket) => void), listener?: (socket: NetSocket) => void): NetServer;
  /** `new kernel.net.Socket(options)`: not connected, unless `fd` names a connected descriptor. */
  Socket: new (options?: SocketOptions) => NetSocket;
  /** `new kernel.net.Server(options, listener)`. */
  Server: new (options?: ServerOptions, listener?: (socket: NetSocket) => void) => NetServer;
  isIP: typeof isIP;
  isIPv4: typeof isIPv4;
  isIPv6: typeof isIPv6;
}

export function makeNet(context: NetContext): Net {
  class Socket extends NetSocket {
    constructor(options: SocketOptions = {}) { super(context, options); }
  }
  class Server extends NetServer {
    constructor(options: ServerOptions = {}, listener?: (socket: NetSocket) => void) { super(context, options, listener); }
  }

  function connect(...args: unknown[]): NetSocket {
    const options = typeof args[0] === 'object' && args[0] !== null ? (args[0] as SocketOptions) : {};
    const { allowHalfOpen, signal } = options;
    const socket = new Socket({
      ...(allowHalfOpen === undefined ? {} : { allowHalfOpen }), ...(signal === undefined ? {} : { signal }),
    });
    return socket.connect(...args);
  }

  function createServer(options?: ServerOptions | ((socket: NetSocket) => void), listener?: (socket: NetSocket) => void): NetServer {
    return typeof options === 'function' ? new Server({}, options) : new Server(options, listener);
  }
  return { connect, createConnection: connect, createServer, Socket, Server, isIP, isIPv4, isIPv6 };
}

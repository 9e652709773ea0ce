/**
 * The user calls of RFC 9293 §3.10.1 to §3.10.6 in each state: OPEN (active and passive), SEND, RECEIVE,
 * CLOSE, ABORT, STATUS. Here: connect and listen, write, read, close, close with SO_LINGER of no time,
 * TCP_INFO. What the RFC answers with "error: …" is an errno; what it queues for later is EAGAIN, since a
 * call that cannot be done now is made again by the application.
 */
import type { Cell } from './statesCells';
import { closed, IRS, ISS, listening, type StateEntry, synchronized, synReceivedActive, synSent } from './statesPrologue';

/** What each call does in a state. */
interface Row {
  state: StateEntry;
  /** connect(2) and listen(2) again: their results. */
  open: string;
  listen: string;
  /** write(2) of 100 bytes, or whether they are sent; read(2). */
  send: string | true;
  receive: string;
  /** Segments that close and abort send, the state afterwards. */
  close: readonly [sent: string[], after: string];
  abort: readonly [sent: string[], after: string];
  /** tcpi_state. */
  status: number;
}

const nonblocking = (fd: number): string => `+0 fcntl(${fd}, F_SETFL, O_RDWR|O_NONBLOCK) = 0`;

function entry(word: string): StateEntry {
  const found = synchronized.find((state) => state.word === word);
  if (found === undefined) throw new Error(`no state ${word}`);
  return found;
}

/** LAST-ACK with the descriptor still open. */
const lastAck: StateEntry = {
  ...entry('LAST_ACK'), fd: 4, lines: entry('LAST_ACK').lines.map((line) => line.replace('close(4)', 'shutdown(4, SHUT_WR)')),
};
const fresh: StateEntry = { ...closed, fd: 4, lines: ['0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4'] };

const fin = (s: StateEntry): string[] => [`+0 > F. ${s.nxt}:${s.nxt}(0) ack ${s.rcvNxt}`];
const reset = (s: StateEntry): string[] => [`+0 > R. ${s.nxt}:${s.nxt}(0) ack ${s.rcvNxt}`];

function synchronizedRow(word: string, status: number, more: Partial<Row>): Row {
  const state = word === 'LAST_ACK' ? lastAck : entry(word);
  return {
    state, open: '-1 EISCONN', listen: '-1 EINVAL', send: '-1 EPIPE', receive: state.hasFin ? '0' : '-1 EAGAIN',
    close: [[], word], abort: [reset(state), 'CLOSED'], status, ...more,
  };
}

function rows(): Row[] {
  const syn = { nxt: ISS + 1, rcvNxt: IRS + 1 };
  return [
    { state: fresh, open: '', listen: '', send: '-1 ENOTCONN', receive: '-1 ENOTCONN', close: [[], 'CLOSED'], abort: [[], 'CLOSED'], status: 7 },
    { state: { ...listening, fd: 3 }, open: '-1 EOPNOTSUPP', listen: '0', send: '-1 ENOTCONN', receive: '-1 ENOTCONN', close: [[], 'CLOSED'], abort: [[], 'CLOSED'], status: 10 },
    { state: synSent, open: '-1 EALREADY', listen: '-1 EINVAL', send: '-1 EAGAIN', receive: '-1 EAGAIN', close: [[], 'CLOSED'], abort: [[], 'CLOSED'], status: 2 },
    {
      state: synReceivedActive, open: '-1 EALREADY', listen: '-1 EINVAL', send: '-1 EAGAIN', receive: '-1 EAGAIN', close: [[], 'SYN_RCVD'],
      abort: [reset({ ...synReceivedActive, ...syn }), 'CLOSED'], status: 3,
    },
    synchronizedRow('ESTABLISHED', 1, { send: true, close: [fin(entry('ESTABLISHED')), 'FIN_WAIT_1'] }),
    synchronizedRow('FIN_WAIT_1', 4, {}),
    synchronizedRow('FIN_WAIT_2', 5, {}),
    synchronizedRow('CLOSE_WAIT', 8, { send: true, close: [fin(entry('CLOSE_WAIT')), 'LAST_ACK'] }),
    synchronizedRow('CLOSING', 11, { abort: [[], 'CLOSED'] }),
    synchronizedRow('LAST_ACK', 9, { abort: [[], 'CLOSED'] }),
    synchronizedRow('TIME_WAIT', 6, { open: '-1 EINVAL', abort: [[], 'CLOSED'] }),
  ];
}

function openCells({ state, open, listen }: Row): Cell[] {
  const clause = `RFC 9293 §3.10.1, ${state.name}: "error: connection already exists"`;
  if (open === '') {
    return [
      {
        file: 'call-open-active', title: 'active OPEN', clause: 'RFC 9293 §3.10.1, CLOSED: <SEQ=ISS><CTL=SYN>, SYN-SENT', after: 'SYN_SENT',
        lines: [nonblocking(4), '+0 connect(4, ..., ...) = -1 EINPROGRESS', `+0 > S ${ISS}:${ISS}(0) <...>`],
      },
      {
        file: 'call-open-passive', title: 'passive OPEN', clause: 'RFC 9293 §3.10.1, CLOSED: a new TCB, LISTEN', after: 'CLOSED',
        lines: ['+0 bind(4, ..., ...) = 0', '+0 listen(4, 1) = 0', '+0 %{ assert tcpi_state == 10 }%'],
      },
    ];
  }
  return [
    { file: 'call-open-active', title: 'active OPEN', clause, after: state.word === 'LISTEN' ? 'CLOSED' : state.word, lines: [nonblocking(state.fd!), `+0 connect(${state.fd!}, ..., ...) = ${open}`] },
    { file: 'call-open-passive', title: 'passive OPEN', clause, after: state.word === 'LISTEN' ? 'CLOSED' : state.word, lines: [`+0 listen(${state.fd!}, 1) = ${listen}`] },
  ];
}

/** The cells of one state. */
export function callCells(row: Row): Cell[] {
  const { state } = row;
  const fd = state.fd!;
  // "state" is that of the pair of ports: there is none while a socket listens.
  const word = state.word === 'LISTEN' ? 'CLOSED' : state.word;
  const sent = row.send === true
    ? ['+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0', '+0 write(4, ..., 100) = 100', `+0 > P. ${state.nxt}:${state.nxt + 100}(100) ack ${state.rcvNxt}`]
    : [nonblocking(fd), `+0 write(${fd}, ..., 100) = ${row.send}`];
  return [
    ...openCells(row),
    { file: 'call-send', title: 'SEND', clause: `RFC 9293 §3.10.2, ${state.name}`, after: word, lines: sent },
    { file: 'call-receive', title: 'RECEIVE', clause: `RFC 9293 §3.10.3, ${state.name}: nothing is queued`, after: word, lines: [nonblocking(fd), `+0 read(${fd}, ..., 100) = ${row.receive}`] },
    { file: 'call-close', title: 'CLOSE', clause: `RFC 9293 §3.10.4, ${state.name}`, after: row.close[1], lines: [`+0 close(${fd}) = 0`, ...row.close[0]] },
    {
      file: 'call-abort', title: 'ABORT', clause: `RFC 9293 §3.10.5, ${state.name}`, after: row.abort[1],
      lines: [`+0 setsockopt(${fd}, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0`, `+0 close(${fd}) = 0`, ...row.abort[0]],
    },
    { file: 'call-status', title: 'STATUS', clause: `RFC 9293 §3.10.6, ${state.name}`, after: word, lines: [`+0 %{ assert tcpi_state == ${row.status} }%`] },
  ];
}

/** State and cells, of all states that a descriptor can be in. */
export function callTable(): [StateEntry, Cell[]][] {
  return rows().map((row): [StateEntry, Cell[]] => [row.state, callCells(row)]);
}

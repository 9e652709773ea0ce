/**
 * What RFC 9293 §3.10.7 says for each state and each segment that may arrive: the cells of the table.
 *
 *      segment: SYN, SYN-ACK, ACK, FIN, RST, data      sequence number: below the window, its left edge,
 *                                                      its middle, its right edge, beyond it
 *
 * A cell is the segment, what is sent in reply, and the state afterwards, with the sentence of the RFC
 * that says so. Written from the RFC, not from the stack.
 */
import { ISS, IRS, type StateEntry, WINDOW } from './statesPrologue';

export interface Cell {
  /** File name without extension. */
  file: string;
  /** What arrives, in words. */
  title: string;
  clause: string;
  /** Lines of the script from the segment on. */
  lines: string[];
  /** netstat's word for the state afterwards. */
  after: string;
}

export const P47 = 'RFC 9293 §3.10.7.4';

/** Where a segment's sequence number lies. */
interface Place {
  file: string;
  words: string;
  /** Bytes from RCV.NXT. */
  offset: number;
  inside: boolean;
}

/** @param length of the segment, as it counts in sequence numbers */
export function places(length: number): Place[] {
  return [
    { file: 'old', words: 'below the window', offset: -Math.max(1, length), inside: false },
    { file: 'left', words: 'at the left edge of the window', offset: 0, inside: true },
    { file: 'middle', words: 'in the middle of the window', offset: WINDOW / 2, inside: true },
    { file: 'right', words: 'at the right edge of the window', offset: WINDOW - 1, inside: true },
    { file: 'edge', words: 'just beyond the window', offset: WINDOW, inside: false },
    { file: 'beyond', words: 'beyond the window', offset: WINDOW + 1, inside: false },
  ];
}

export function segment(flags: string, seq: number, length: number, ack: number | null, options = ''): string {
  return `+.01 < ${flags} ${seq}:${seq + length}(${length})${ack === null ? '' : ` ack ${ack}`} win ${WINDOW}${options}`;
}

/** <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>. */
export function ackNow(s: StateEntry, rcvNxt = s.rcvNxt): string {
  return `+0 > . ${s.nxt}:${s.nxt}(0) ack ${rcvNxt}`;
}

export const unacceptable = `${P47}, first: not acceptable: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, dropped`;

/** The error that the user is told, if there is a user. */
function soError(s: StateEntry, name: string): string[] {
  return s.fd === null ? [] : [`+0 getsockopt(${s.fd}, SOL_SOCKET, SO_ERROR, [${name}], [4]) = 0`];
}

/** An ACK that changes nothing: what a well-behaved peer in this state would send. */
function goodAck(s: StateEntry): number {
  return s.word === 'SYN_RCVD' ? ISS + 1 : s.una;
}

/** RST: RFC 9293 §3.10.7.4 second, which is RFC 5961 §3.2. */
export function resets(s: StateEntry): Cell[] {
  return places(0).map(({ file, words, offset, inside }): Cell => {
    const lines = [segment('R', s.rcvNxt + offset, 0, null)];
    const title = `RST ${words}`;
    if (!inside) return { file: `rst-${file}`, title, lines, after: s.word, clause: `${P47}, second: 1) outside the window: silently dropped` };
    if (offset > 0) {
      const clause = `${P47}, second: 3) in the window but not RCV.NXT: a challenge ACK`;
      return { file: `rst-${file}`, title, lines: [...lines, ackNow(s)], after: s.word, clause };
    }
    if (s.word === 'TIME_WAIT') return { file: `rst-${file}`, title, lines, after: s.word, clause: 'RFC 1337 §3 (F1): resets are ignored in TIME-WAIT (RFC 9293 §3.10.7.4, second, with net.inet.tcp.rfc1337=0)' };
    const told = s.word === 'SYN_RCVD' ? (s.passive ? [] : soError(s, 'ECONNREFUSED'))
      : ['ESTABLISHED', 'FIN_WAIT_1', 'FIN_WAIT_2', 'CLOSE_WAIT'].includes(s.word) ? soError(s, 'ECONNRESET') : [];
    const clause = s.word === 'SYN_RCVD' && s.passive
      ? `${P47}, second: exactly RCV.NXT: a passive OPEN returns to LISTEN`
      : `${P47}, second: 2) exactly RCV.NXT: the connection is reset`;
    return { file: `rst-${file}`, title, lines: [...lines, ...told], after: 'CLOSED', clause };
  });
}

/** SYN without ACK: fourth. */
export function syns(s: StateEntry): Cell[] {
  return places(1).map(({ file, words, offset, inside }): Cell => {
    const lines = [segment('S', s.rcvNxt + offset, 0, null, ' <mss 1000>')];
    const title = `SYN ${words}`;
    if (s.word === 'SYN_RCVD' && file === 'old') {
      const clause = `${P47}, first: the SYN again: not acceptable, and answered; with the SYN,ACK that was evidently lost`;
      return { file: `syn-${file}`, title, clause, after: s.word, lines: [...lines, `+0 > S. ${ISS}:${ISS}(0) ack ${IRS + 1} <...>`] };
    }
    if (s.word === 'SYN_RCVD' && s.passive && inside) {
      return { file: `syn-${file}`, title, lines, after: 'CLOSED', clause: `${P47}, fourth: a passive OPEN returns to LISTEN` };
    }
    const clause = inside ? `${P47}, fourth: a challenge ACK, irrespective of the sequence number (RFC 5961 §4.2)` : unacceptable;
    return { file: `syn-${file}`, title, clause, after: s.word, lines: [...lines, ackNow(s)] };
  });
}

/** SYN,ACK. */
export function synAcks(s: StateEntry): Cell[] {
  return places(1).map(({ file, words, offset, inside }): Cell => {
    const lines = [segment('S.', s.rcvNxt + offset, 0, goodAck(s), ' <mss 1000>')];
    const title = `SYN,ACK ${words}`;
    if (s.word === 'SYN_RCVD' && file === 'old') {
      const clause = 'RFC 9293 §3.5 figure 8, 5 to 7: the SYN again, with the ACK that establishes the connection';
      return { file: `synack-${file}`, title, clause, after: 'ESTABLISHED', lines: [...lines, ackNow(s)] };
    }
    if (s.word === 'SYN_RCVD' && s.passive && inside) {
      return { file: `synack-${file}`, title, lines, after: 'CLOSED', clause: `${P47}, fourth: a passive OPEN returns to LISTEN` };
    }
    const clause = inside ? `${P47}, fourth: a challenge ACK, irrespective of the sequence number (RFC 5961 §4.2)` : unacceptable;
    return { file: `synack-${file}`, title, clause, after: s.word, lines: [...lines, ackNow(s)] };
  });
}

/** ACK without data that acknowledges nothing new (in SYN-RECEIVED: our SYN), at each place. */
export function acks(s: StateEntry): Cell[] {
  return places(0).map(({ file, words, offset, inside }): Cell => {
    const seq = s.rcvNxt + offset;
    const lines = [segment('.', seq, 0, goodAck(s))];
    const title = `ACK ${words}`;
    if (file === 'edge' && s.word !== 'TIME_WAIT') {
      // Its sender has filled the window: what it acknowledges is news, whatever became of the data. BSD and Linux take it.
      const clause = 'RFC 9293 §3.10.7.4, first, would answer it; taken for what it acknowledges, as a window that is full must be';
      return { file: `ack-${file}`, title, clause, after: s.word === 'SYN_RCVD' ? 'ESTABLISHED' : s.word, lines };
    }
    if (!inside) return { file: `ack-${file}`, title, clause: unacceptable, after: s.word, lines: [...lines, ackNow(s)] };
    if (s.word === 'TIME_WAIT' && offset > 0) return { file: `ack-${file}`, title, clause: `${P47}, fifth: TIME-WAIT: acknowledged`, after: s.word, lines: [...lines, ackNow(s)] };
    const opens = s.word === 'SYN_RCVD';
    const clause = opens ? `${P47}, fifth: SND.UNA < SEG.ACK =< SND.NXT: ESTABLISHED` : `${P47}, fifth: SEG.ACK = SND.UNA: a duplicate, ignored`;
    return { file: `ack-${file}`, title, clause, after: opens ? 'ESTABLISHED' : s.word, lines };
  });
}

/** The values that the ACK field may have, at the left edge. */
export function ackValues(s: StateEntry): Cell[] {
  const cell = (file: string, title: string, ack: number, clause: string, after: string, reply: string[] = []): Cell => ({
    file: `ackno-${file}`, title, clause, after, lines: [segment('.', s.rcvNxt, 0, ack), ...reply],
  });
  if (s.word === 'SYN_RCVD') {
    const reset = (ack: number): string[] => [`+0 > R ${ack}:${ack}(0)`];
    const clause = `${P47}, fifth: not acceptable in SYN-RECEIVED: <SEQ=SEG.ACK><CTL=RST>, the state stays`;
    return [
      cell('iss', 'ACK of nothing (SEG.ACK = ISS)', ISS, clause, s.word, reset(ISS)),
      cell('future', 'ACK of what was not sent', s.nxt + 1, clause, s.word, reset(s.nxt + 1)),
      cell('ancient', 'ACK of long ago', ISS - WINDOW, clause, s.word, reset(ISS - WINDOW)),
    ];
  }
  const all = [
    cell('future', 'ACK of what was not sent', s.nxt + 1, `${P47}, fifth: SEG.ACK > SND.NXT: an ACK, dropped`, s.word, [ackNow(s)]),
    cell('ancient', 'ACK below SND.UNA - MAX.SND.WND', s.una - WINDOW - 1, 'RFC 5961 §5.2: outside the range: a challenge ACK', s.word, [ackNow(s)]),
    s.word === 'TIME_WAIT'
      ? cell('old', 'ACK of what was acknowledged before', s.una - 1, `${P47}, fifth: TIME-WAIT: acknowledged`, s.word, [ackNow(s)])
      : cell('old', 'ACK of what was acknowledged before', s.una - 1, `${P47}, fifth: SEG.ACK =< SND.UNA: a duplicate, ignored`, s.word),
  ];
  if (s.una === s.nxt) return all;
  const next: Readonly<Record<string, [after: string, clause: string]>> = {
    ESTABLISHED: ['ESTABLISHED', 'SND.UNA < SEG.ACK =< SND.NXT: SND.UNA := SEG.ACK'],
    CLOSE_WAIT: ['CLOSE_WAIT', 'the same processing as in ESTABLISHED'],
    FIN_WAIT_1: ['FIN_WAIT_2', 'our FIN is acknowledged: FIN-WAIT-2'],
    CLOSING: ['TIME_WAIT', 'the ACK acknowledges our FIN: TIME-WAIT'],
    LAST_ACK: ['CLOSED', 'our FIN is acknowledged: delete the TCB, CLOSED'],
  };
  const [after, clause] = next[s.word]!;
  const taken = after === 'CLOSED' ? [] : ['+0 %{ assert sendq == 0 }%'];
  return [...all, cell('all', 'ACK of everything sent', s.nxt, `${P47}, fifth: ${clause}`, after, taken)];
}

/** FIN (with ACK): eighth. */
export function fins(s: StateEntry): Cell[] {
  return places(1).map(({ file, words, offset, inside }): Cell => {
    const seq = s.rcvNxt + offset;
    const lines = [segment('F.', seq, 0, goodAck(s))];
    const title = `FIN ${words}`;
    if (!inside) {
      const clause = file === 'old' && s.hasFin ? `${P47}, first: the FIN again: acknowledged again` : unacceptable;
      return { file: `fin-${file}`, title, clause, after: s.word, lines: [...lines, ackNow(s)] };
    }
    const opened = s.word === 'SYN_RCVD' ? 'ESTABLISHED' : s.word;
    if (s.hasFin) {
      const reply = offset === 0 ? [ackNow(s)] : [ackNow(s)];
      return { file: `fin-${file}`, title, clause: `${P47}, eighth: remain in ${s.name}; the ACK says what has been received`, after: s.word, lines: [...lines, ...reply] };
    }
    if (offset > 0) {
      const clause = `${P47}, seventh: not the next in order: held, and acknowledged at once (RFC 5681 §4.2)`;
      return { file: `fin-${file}`, title, clause, after: opened, lines: [...lines, ackNow(s)] };
    }
    const next: Readonly<Record<string, string>> = { SYN_RCVD: 'CLOSE_WAIT', ESTABLISHED: 'CLOSE_WAIT', FIN_WAIT_1: 'CLOSING', FIN_WAIT_2: 'TIME_WAIT' };
    const after = next[s.word]!;
    return { file: `fin-${file}`, title, clause: `${P47}, eighth: the FIN is acknowledged: ${after.replaceAll('_', '-')}`, after, lines: [...lines, ackNow(s, s.rcvNxt + 1)] };
  });
}

/** 100 bytes of data. */
export function data(s: StateEntry): Cell[] {
  return places(100).map(({ file, words, offset, inside }): Cell => {
    const seq = s.rcvNxt + offset;
    const lines = [segment('P.', seq, 100, goodAck(s))];
    const title = `data ${words}`;
    const opened = s.word === 'SYN_RCVD' && inside ? 'ESTABLISHED' : s.word;
    if (!inside) return { file: `data-${file}`, title, clause: unacceptable, after: s.word, lines: [...lines, ackNow(s)] };
    if (s.word === 'TIME_WAIT') return { file: `data-${file}`, title, clause: `${P47}, fifth: TIME-WAIT: acknowledged, the text ignored`, after: s.word, lines: [...lines, ackNow(s)] };
    if (s.hasFin) {
      // Reaching beyond the window, it is answered for that.
      const reply = file === 'right' ? [ackNow(s)] : [];
      return { file: `data-${file}`, title, clause: `${P47}, seventh: a FIN has been received: the text is ignored`, after: s.word, lines: [...lines, ...reply] };
    }
    if (offset > 0) {
      const clause = `${P47}, seventh: not the next in order: held, and acknowledged at once (RFC 5681 §4.2)`;
      return { file: `data-${file}`, title, clause, after: opened, lines: [...lines, ackNow(s)] };
    }
    const later = `+.04 > . ${s.nxt}:${s.nxt}(0) ack ${s.rcvNxt + 100}`;
    const read = s.fd === null ? ['+0 accept(3, ..., ...) = 4', '+0 read(4, ..., 1000) = 100'] : [`+0 read(${s.fd}, ..., 1000) = 100`];
    return {
      file: `data-${file}`, title, clause: `${P47}, seventh: delivered, RCV.NXT advanced; the ACK may wait (§3.8.6.3)`, after: opened, lines: [...lines, later, ...read],
    };
  });
}

/** A segment without ACK, and data that lies across an edge. */
export function oddities(s: StateEntry): Cell[] {
  const cells: Cell[] = [{
    file: 'noack-left', title: 'data without ACK at the left edge of the window', clause: `${P47}, fifth: the ACK bit is off: dropped`,
    after: s.word, lines: [segment('P', s.rcvNxt, 100, null)],
  }];
  if (s.hasFin || s.word === 'SYN_RCVD') return cells;
  const later = `+.04 > . ${s.nxt}:${s.nxt}(0) ack ${s.rcvNxt + 50}`;
  return [...cells, {
    file: 'data-across-left', title: 'data of which half lies below the window', after: s.word,
    clause: `${P47}, first: trimmed to what is new; acknowledged at once, as a duplicate is`,
    lines: [segment('P.', s.rcvNxt - 50, 100, goodAck(s)), later.replace('+.04', '+0~+.04'), `+0 read(${s.fd ?? 4}, ..., 1000) = 50`],
  }];
}

/**
 * What only TIME-WAIT is asked: the segments of the tests that others have for it (RST,ACK, SYN,FIN, a FIN
 * without ACK), at each place. The rest of its cells are those of every synchronized state.
 *
 * TIME-WAIT is there three times: with its descriptor, without it as a vestige, and without it as a full
 * block (net.inet.tcp.vtw.enable=0). One table makes the cells of all three, so that they must agree.
 */
import { ackNow, type Cell, P47, places, segment, unacceptable } from './statesCells';
import type { StateEntry } from './statesPrologue';

function resetsWithAck(s: StateEntry): Cell[] {
  return places(0).map(({ file, words, offset, inside }): Cell => {
    const base = { file: `rstack-${file}`, title: `RST,ACK ${words}`, after: s.word };
    const lines = [segment('R.', s.rcvNxt + offset, 0, s.una)];
    if (!inside) return { ...base, lines, clause: `${P47}, second: 1) outside the window: silently dropped` };
    if (offset > 0) return { ...base, lines: [...lines, ackNow(s)], clause: `${P47}, second: 3) in the window but not RCV.NXT: a challenge ACK` };
    return { ...base, lines, clause: 'RFC 1337 §3 (F1): resets are ignored in TIME-WAIT' };
  });
}

function synFins(s: StateEntry): Cell[] {
  return places(2).map(({ file, words, offset, inside }): Cell => ({
    file: `synfin-${file}`, title: `SYN,FIN ${words}`, after: s.word,
    clause: inside ? `${P47}, fourth: a challenge ACK, irrespective of the sequence number (RFC 5961 §4.2)` : unacceptable,
    lines: [segment('SF', s.rcvNxt + offset, 0, null, ' <mss 1000>'), ackNow(s)],
  }));
}

function finsWithoutAck(s: StateEntry): Cell[] {
  return places(1).map(({ file, words, offset, inside }): Cell => ({
    file: `finonly-${file}`, title: `FIN without ACK ${words}`, after: s.word,
    clause: inside ? `${P47}, fifth: the ACK bit is off: dropped` : unacceptable,
    lines: [segment('F', s.rcvNxt + offset, 0, null), ...(inside ? [] : [ackNow(s)])],
  }));
}

/** The further cells of `s`, if it is TIME-WAIT. */
export function timeWaitOnly(s: StateEntry): Cell[] {
  return s.word === 'TIME_WAIT' ? [...resetsWithAck(s), ...synFins(s), ...finsWithoutAck(s)] : [];
}

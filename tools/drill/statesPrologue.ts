/**
 * How to get into each state of RFC 9293 §3.3.2, as lines of a script, and where the sequence numbers
 * stand then. The peer's initial sequence number is 1000, the image's 20000 in the script; both windows
 * are 10000, so that every edge is a round number.
 *
 *      RCV.NXT = nxt            the window ends before nxt + 10000
 *      SND.UNA = una            SND.NXT = una + what the state has in flight
 */

export const WINDOW = 10_000;
export const IRS = 1000;
export const ISS = 20_000;

/** A state, and how the script gets there. */
export interface StateEntry {
  /** Folder of its scripts. */
  folder: string;
  /** As RFC 9293 writes it. */
  name: string;
  /** netstat's word. */
  word: string;
  lines: string[];
  una: number;
  nxt: number;
  rcvNxt: number;
  /** Descriptor of the connection, null if the script has none (any more). */
  fd: number | null;
  /** The peer's FIN has been received. */
  hasFin: boolean;
  /** Opened passively. */
  passive: boolean;
}

const listen = [
  '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3',
  `+0 setsockopt(3, SOL_SOCKET, SO_RCVBUF, [${WINDOW}], 4) = 0`,
  '+0 bind(3, ..., ...) = 0',
  '+0 listen(3, 1) = 0',
];
const synReceived = [
  ...listen,
  `+0 < S ${IRS}:${IRS}(0) win ${WINDOW} <mss 1000>`,
  `+0 > S. ${ISS}:${ISS}(0) ack ${IRS + 1} win ${WINDOW} <mss 1460>`,
];
const established = [
  ...synReceived,
  `+.1 < . ${IRS + 1}:${IRS + 1}(0) ack ${ISS + 1} win ${WINDOW}`,
  '+0 accept(3, ..., ...) = 4',
  '+0 close(3) = 0',
];
const finWait1 = [
  ...established,
  '+0 shutdown(4, SHUT_WR) = 0',
  `+0 > F. ${ISS + 1}:${ISS + 1}(0) ack ${IRS + 1}`,
];
const finWait2 = [...finWait1, `+.01 < . ${IRS + 1}:${IRS + 1}(0) ack ${ISS + 2} win ${WINDOW}`];
const closeWait = [
  ...established,
  `+0 < F. ${IRS + 1}:${IRS + 1}(0) ack ${ISS + 1} win ${WINDOW}`,
  `+0 > . ${ISS + 1}:${ISS + 1}(0) ack ${IRS + 2}`,
];
const connecting = [
  '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4',
  '+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0',
  `+0 setsockopt(4, SOL_SOCKET, SO_RCVBUF, [${WINDOW}], 4) = 0`,
  '+0 connect(4, ..., ...) = -1 EINPROGRESS',
  `+0 > S ${ISS}:${ISS}(0) win ${WINDOW} <...>`,
];

function write(rcvNxt: number): string[] {
  return ['+0 write(4, ..., 100) = 100', `+0 > P. ${ISS + 1}:${ISS + 101}(100) ack ${rcvNxt}`];
}

const base = { fd: 4, hasFin: false, passive: true, una: ISS + 1, nxt: ISS + 1, rcvNxt: IRS + 1 };

export const synReceivedPassive: StateEntry = {
  ...base, folder: 'syn-received', name: 'SYN-RECEIVED', word: 'SYN_RCVD', lines: synReceived, una: ISS, fd: null,
};
export const synReceivedActive: StateEntry = {
  ...base, folder: 'syn-received-active', name: 'SYN-RECEIVED (active OPEN)', word: 'SYN_RCVD', una: ISS, passive: false,
  lines: [
    '// Without options in the SYN, so that neither side has any.',
    '// sysctl net.inet.tcp.rfc1323=0',
    ...connecting,
    `+.01 < S ${IRS}:${IRS}(0) win ${WINDOW} <mss 1000>`,
    `+0 > S. ${ISS}:${ISS}(0) ack ${IRS + 1} win ${WINDOW} <...>`,
  ],
};
export const synSent: StateEntry = {
  ...base, folder: 'syn-sent', name: 'SYN-SENT', word: 'SYN_SENT', una: ISS, passive: false,
  lines: ['// sysctl net.inet.tcp.rfc1323=0', ...connecting],
};
/** The owner has gone: with vestiges on, no socket and no block is left; what is seen from outside is the same. */
function orphaned(enable: number): StateEntry {
  const which = enable === 1 ? 'vestigial' : 'orphaned';
  return {
    ...base, folder: `time-wait-${which}`, name: `TIME-WAIT, ${which}`, word: 'TIME_WAIT', una: ISS + 2, nxt: ISS + 2, rcvNxt: IRS + 2, hasFin: true, fd: null,
    lines: [
      `// sysctl net.inet.tcp.vtw.enable=${enable}`,
      ...established,
      '+0 close(4) = 0',
      `+0 > F. ${ISS + 1}:${ISS + 1}(0) ack ${IRS + 1}`,
      `+.01 < . ${IRS + 1}:${IRS + 1}(0) ack ${ISS + 2} win ${WINDOW}`,
      `+0 < F. ${IRS + 1}:${IRS + 1}(0) ack ${ISS + 2} win ${WINDOW}`,
      `+0 > . ${ISS + 2}:${ISS + 2}(0) ack ${IRS + 2}`,
    ],
  };
}
export const orphans: readonly StateEntry[] = [orphaned(1), orphaned(0)];
export const listening: StateEntry = {
  ...base, folder: 'listen', name: 'LISTEN', word: 'LISTEN', fd: null, lines: listen,
};
export const closed: StateEntry = {
  ...base, folder: 'closed', name: 'CLOSED', word: 'CLOSED', fd: null, lines: [],
};

/** The synchronized states (RFC 9293 §3.3.2), where §3.10.7.4 holds throughout. */
export const synchronized: readonly StateEntry[] = [
  {
    ...base, folder: 'established', name: 'ESTABLISHED', word: 'ESTABLISHED', nxt: ISS + 101,
    lines: [...established, ...write(IRS + 1)],
  },
  { ...base, folder: 'fin-wait-1', name: 'FIN-WAIT-1', word: 'FIN_WAIT_1', lines: finWait1, nxt: ISS + 2 },
  { ...base, folder: 'fin-wait-2', name: 'FIN-WAIT-2', word: 'FIN_WAIT_2', lines: finWait2, una: ISS + 2, nxt: ISS + 2 },
  {
    ...base, folder: 'close-wait', name: 'CLOSE-WAIT', word: 'CLOSE_WAIT', nxt: ISS + 101, rcvNxt: IRS + 2, hasFin: true,
    lines: [...closeWait, ...write(IRS + 2)],
  },
  {
    ...base, folder: 'closing', name: 'CLOSING', word: 'CLOSING', nxt: ISS + 2, rcvNxt: IRS + 2, hasFin: true,
    lines: [
      ...finWait1,
      `+.01 < F. ${IRS + 1}:${IRS + 1}(0) ack ${ISS + 1} win ${WINDOW}`,
      `+0 > . ${ISS + 2}:${ISS + 2}(0) ack ${IRS + 2}`,
    ],
  },
  {
    ...base, folder: 'last-ack', name: 'LAST-ACK', word: 'LAST_ACK', nxt: ISS + 2, rcvNxt: IRS + 2, hasFin: true, fd: null,
    lines: [...closeWait, '+0 close(4) = 0', `+0 > F. ${ISS + 1}:${ISS + 1}(0) ack ${IRS + 2}`],
  },
  {
    ...base, folder: 'time-wait', name: 'TIME-WAIT', word: 'TIME_WAIT', una: ISS + 2, nxt: ISS + 2, rcvNxt: IRS + 2, hasFin: true,
    lines: [
      ...finWait2,
      `+0 < F. ${IRS + 1}:${IRS + 1}(0) ack ${ISS + 2} win ${WINDOW}`,
      `+0 > . ${ISS + 2}:${ISS + 2}(0) ack ${IRS + 2}`,
    ],
  },
];

/**
 * TIME-WAIT as RFC 9293 §3.10.7.4 has it, with RFC 6191, 7323, 1337 and 5961, in a Map: what a stack with
 * memory without end would answer. Written from the RFCs; nothing of components/netinet is used.
 *
 *      Map in order of entering (restarted: last)      class → lifetime      capacity: the oldest goes, counted
 *
 * Times are µs. A whole ms is the unit of expiry, rounded up, as documented in vtw_entry.ts.
 */
export const FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16;

export interface Segment {
  flags: number;
  seq: number;
  ack: number;
  length: number;
  /** Timestamp; null without the option. */
  ts: number | null;
}

export interface Waiting {
  key: string;
  rcvNxt: number;
  sndNxt: number;
  window: number;
  tsRecent: number | null;
  /** 'fw2' waits for the FIN, the others are classes of TIME-WAIT. */
  kind: 'local' | 'remote' | 'fw2';
  /** What it is when it is in TIME-WAIT. */
  cls: 'local' | 'remote';
  enteredUs: number;
  dueUs: number;
}

/** What is seen of the stack: nothing, an ACK, a SYN,ACK of a new connection, a reset. */
export type Answer = 'none' | 'ack' | 'open' | 'reset';

const LIFETIME_MS = { local: 10_000, remote: 60_000, fw2: 60_000 } as const;

/** a < b in sequence space. */
const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;

export class TwModel {
  readonly all = new Map<string, Waiting>();
  /** One queue a lifetime, in order of expiry. */
  private readonly queues = { local: new Map<string, Waiting>(), remote: new Map<string, Waiting>(), fw2: new Map<string, Waiting>() };
  inserted = 0;
  expired = 0;
  killed = 0;
  reused = 0;

  constructor(readonly capacity: number) {}

  /** Time is `us` now. */
  expire(us: number): void {
    for (const queue of Object.values(this.queues)) {
      for (const each of queue.values()) {
        if (each.dueUs > us) break;
        this.remove(each);
        this.expired++;
      }
    }
  }

  private remove(each: Waiting): void {
    this.all.delete(each.key);
    this.queues[each.kind].delete(each.key);
  }

  private place(each: Waiting, us: number): void {
    each.enteredUs = us;
    each.dueUs = (Math.ceil(us / 1000) + LIFETIME_MS[each.kind]) * 1000;
    this.all.set(each.key, each);
    this.queues[each.kind].set(each.key, each);
  }

  enter(each: Omit<Waiting, 'enteredUs' | 'dueUs'>, us: number): void {
    if (this.all.size >= this.capacity) {
      const heads = Object.values(this.queues).flatMap((queue) => [...queue.values()].slice(0, 1));
      this.remove(heads.reduce((oldest, other) => (other.enteredUs < oldest.enteredUs ? other : oldest)));
      this.killed++;
    }
    this.inserted++;
    this.place({ ...each, enteredUs: 0, dueUs: 0 }, us);
  }

  private again(each: Waiting, us: number): void {
    this.remove(each);
    each.kind = each.cls;
    this.place(each, us);
  }

  /** A segment arrives for `key` at `us`; somebody listens there. */
  arrives(key: string, segment: Segment, us: number): Answer {
    const each = this.all.get(key);
    if (each === undefined) return this.listener(segment);
    if (each.kind !== 'fw2' && this.opens(each, segment)) {
      this.remove(each);
      this.reused++;
      return 'open';
    }
    return this.judge(each, segment, us);
  }

  /** RFC 9293 §3.10.7.2, seen by a listener. */
  private listener({ flags }: Segment): Answer {
    if ((flags & RST) !== 0) return 'none';
    if ((flags & ACK) !== 0) return 'reset';
    return (flags & (SYN | FIN)) === SYN ? 'open' : 'none';
  }

  /** RFC 6191 §2. */
  private opens(each: Waiting, { flags, ts, seq }: Segment): boolean {
    if ((flags & (SYN | ACK | RST | FIN)) !== SYN) return false;
    if (each.tsRecent !== null && ts !== null && ts !== each.tsRecent) return before(each.tsRecent, ts);
    return before(each.rcvNxt, seq);
  }

  private judge(each: Waiting, segment: Segment, us: number): Answer {
    const { flags, seq, ack, length, ts } = segment;
    const [rst, syn, fin] = [RST, SYN, FIN].map((flag) => (flags & flag) !== 0) as [boolean, boolean, boolean];
    if (each.tsRecent !== null && !rst) {
      if (ts === null) return 'none';
      if (before(ts, each.tsRecent)) return 'ack';
    }
    const end = (seq + length + (fin ? 1 : 0)) | 0;
    const right = (each.rcvNxt + each.window) | 0;
    const empty = length === 0 && !fin;
    if (before(seq, each.rcvNxt)) {
      if (rst) return 'none';
      if (syn) return 'ack';
    } else if (empty ? (rst || syn ? !before(seq, right) : before(right, seq)) : !before(seq, right)) {
      return rst ? 'none' : 'ack';
    }
    if (rst) return this.reset(each, seq);
    if (syn) return 'ack';
    if (each.kind === 'fw2') return this.finWait2(each, segment, end, us);
    if ((flags & ACK) === 0) return before(each.rcvNxt, end) || end === each.rcvNxt && !before(seq, each.rcvNxt) ? 'none' : 'ack';
    if (fin && end === each.rcvNxt) {
      if (ts !== null && each.tsRecent !== null) each.tsRecent = ts;
      this.again(each, us);
      return 'ack';
    }
    return empty && seq === each.rcvNxt && ack === each.sndNxt ? 'none' : 'ack';
  }

  private reset(each: Waiting, seq: number): Answer {
    if (seq !== each.rcvNxt) return 'ack';
    // RFC 1337: not in TIME-WAIT.
    if (each.kind === 'fw2') this.remove(each);
    return 'none';
  }

  /** The owner is gone, the FIN is wanting. */
  private finWait2(each: Waiting, { flags, seq, length, ts }: Segment, end: number, us: number): Answer {
    if ((flags & ACK) === 0) return before(seq, each.rcvNxt) && !before(each.rcvNxt, end) ? 'ack' : 'none';
    if (before(seq, each.rcvNxt) && !before(each.rcvNxt, end)) return 'ack';
    if (length > 0) {
      this.remove(each);
      return 'reset';
    }
    if ((flags & FIN) === 0) return 'none';
    if (seq !== each.rcvNxt) return 'ack';
    each.rcvNxt = (each.rcvNxt + 1) | 0;
    if (ts !== null && each.tsRecent !== null) each.tsRecent = ts;
    this.again(each, us);
    return 'ack';
  }
}

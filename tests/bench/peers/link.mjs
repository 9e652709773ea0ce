/**
 * A bad line between two TAP devices, and nothing else: the same fault code that stands before an image,
 * between two kernels of Linux.
 *
 *     client's kernel ── tapA ── fault ── tapB ── server's kernel
 *
 *     node link.mjs INDEX.MJS TAPA TAPB FAULTS      FAULTS as JSON, of fault(); prints "linked"
 *
 * The faults lie on the side of TAPA, in the order in which an image has them: what comes out of TAPB is
 * "outgoing". Ends on SIGTERM.
 */
const [index, nameA, nameB, faults] = process.argv.slice(2);
const { fault, systemClock, systemEntropy, tap, timersOf } = await import(/** @type {string} */ (index));

const line = fault(tap({ name: nameA }), JSON.parse(faults ?? '{}'));
const other = tap({ name: nameB });
const timers = timersOf(systemClock);

/** @param {string} name @param {(frame: any) => boolean} receive @param {() => void} writable */
function port(name, receive, writable) {
  return {
    name, accepts: 0, rx: null, clock: systemClock, timers, random: systemEntropy, receive, writable,
    starve() {}, flush() {}, link() {}, log() {},
    /** @param {unknown} error */
    fail(error) { throw error; },
  };
}

line.open(port(nameA ?? '', (frame) => other.send(frame) === 0, () => other.room()));
other.open(port(nameB ?? '', (frame) => { line.send(frame); return true; }, () => line.room()));
line.start();
other.start();
console.log('linked');

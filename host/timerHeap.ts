/**
 * Events of a virtual clock: a binary heap by time, first come first served within one moment.
 *
 * Cost: O(log n) to add and to take. An event that was taken back stays in the heap, without its
 * function, until its time comes.
 */
interface TimedEvent {
  at: number;
  serial: number;
  fn: (() => void) | null;
}

function before(a: TimedEvent, b: TimedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.serial < b.serial);
}

export class TimerHeap {
  private readonly heap: TimedEvent[] = [];
  private serial = 0;

  /** Have `fn` called at moment `at`. @returns takes it back */
  add(at: number, fn: () => void): () => void {
    const event: TimedEvent = { at, serial: this.serial++, fn };
    const { heap } = this;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!before(event, heap[up]!)) break;
      heap[i] = heap[up]!;
      i = up;
    }
    heap[i] = event;
    return () => { event.fn = null; };
  }

  /** The moment of the next event, or -1 when there is none. */
  next(): number {
    while (this.heap.length > 0 && this.heap[0]!.fn === null) this.pop();
    return this.heap.length > 0 ? this.heap[0]!.at : -1;
  }

  /** Take the next event. @returns its function */
  take(): () => void {
    const { fn } = this.pop();
    return fn ?? (() => {});
  }

  private pop(): TimedEvent {
    const { heap } = this;
    const top = heap[0]!;
    const last = heap.pop()!;
    const n = heap.length;
    if (n === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

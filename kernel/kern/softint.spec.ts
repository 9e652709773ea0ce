/**
 * Soft interrupts and the host's interrupts: each marked handler once, in turn, none inside another,
 * none starved, and never more than the budget.
 */
import { INTR_MAX } from "../abi/rump";
import { intr_establish, intr_signal } from "./intr";
import { spec_kern_boot } from "./kern_spec_boot";
import { SOFTINT_MAX, softint_establish, softint_pending, softint_run, softint_schedule } from "./softint";

spec_kern_boot();

let ran: i32[] = [];
let inside: i32 = 0;
/** Handles, by number; and what each marks when it runs. */
const handles = new StaticArray<i32>(SOFTINT_MAX);
const marks = new StaticArray<i32>(SOFTINT_MAX);

function handler(arg: usize): void {
  assert(inside == 0, "a handler inside another");
  inside = 1;
  ran.push(<i32>arg);
  const next = marks[<i32>arg];
  if (next >= 0) softint_schedule(handles[next]);
  inside = 0;
}

let made: i32 = 0;
function make(n: i32): void {
  for (; made < n; made++) {
    handles[made] = softint_establish(handler, made);
    marks[made] = -1;
  }
}

function run_all(): void {
  ran = [];
  for (let i = 0; softint_run(8); i++) assert(i < 1000, "never at rest");
}

describe("softint", () => {
  beforeEach(() => {
    make(4);
    for (let i = 0; i < SOFTINT_MAX; i++) marks[i] = -1;
    run_all();
    ran = [];
  });

  it("runs what is marked, once however often it was marked", () => {
    softint_schedule(handles[2]);
    softint_schedule(handles[2]);
    softint_schedule(handles[0]);
    expect(softint_pending()).toBe(true);
    expect(softint_run(100)).toBe(false);
    expect(ran.length).toBe(2);
    expect(ran.includes(0) && ran.includes(2)).toBe(true);
    expect(softint_run(100)).toBe(false);
    expect(ran.length).toBe(2);
  });

  it("goes round: one that marks itself waits for all the others", () => {
    marks[1] = 1;
    softint_schedule(handles[1]);
    softint_run(1);
    expect(ran).toStrictEqual([1]);
    softint_schedule(handles[0]);
    softint_schedule(handles[3]);
    softint_run(3);
    expect(ran).toStrictEqual([1, 3, 0, 1]);
  });

  it("starves nobody when all mark themselves", () => {
    for (let i = 0; i < 4; i++) {
      marks[i] = i;
      softint_schedule(handles[i]);
    }
    expect(softint_run(400)).toBe(true);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < ran.length; i++) counts[ran[i]]++;
    expect(counts).toStrictEqual([100, 100, 100, 100]);
  });

  it("starves nobody when two keep marking each other", () => {
    marks[0] = 1;
    marks[1] = 0;
    softint_schedule(handles[0]);
    softint_run(3);
    softint_schedule(handles[3]);
    softint_run(2);
    expect(ran.includes(3)).toBe(true);
  });

  it("does no more than its budget and says that something is left", () => {
    for (let i = 0; i < 4; i++) softint_schedule(handles[i]);
    expect(softint_run(3)).toBe(true);
    expect(ran.length).toBe(3);
    expect(softint_run(0)).toBe(true);
    expect(softint_run(-1)).toBe(true);
    expect(ran.length).toBe(3);
    expect(softint_run(3)).toBe(false);
    expect(ran.length).toBe(4);
  });

  it("runs in the same turn what a handler marks", () => {
    marks[0] = 2;
    softint_schedule(handles[0]);
    expect(softint_run(10)).toBe(false);
    expect(ran).toStrictEqual([0, 2]);
  });

  it("has room for SOFTINT_MAX handlers, the last as good as the first", () => {
    make(SOFTINT_MAX - 3);
    for (let i = 0; i < 3; i++) intr_establish(i, handler, i);
    for (let i = 0; i < made; i++) softint_schedule(handles[i]);
    softint_run(1000);
    expect(ran.length).toBe(made);
    expect(() => { softint_establish(handler, 0); }).toThrow();
  });
});

describe("interrupts", () => {
  it("mark the handler of their source", () => {
    run_all();
    ran = [];
    intr_signal(2);
    intr_signal(2);
    expect(ran.length).toBe(0, "nothing runs yet");
    softint_run(10);
    expect(ran).toStrictEqual([2]);
  });

  it("ignore a source that nobody has, or that cannot be", () => {
    intr_signal(5);
    intr_signal(-1);
    intr_signal(INTR_MAX);
    intr_signal(i32.MIN_VALUE);
    intr_signal(i32.MAX_VALUE);
    expect(softint_pending()).toBe(false);
  });

  it("belong to one handler each", () => {
    expect(() => { intr_establish(1, handler, 0); }).toThrow("taken");
    expect(() => { intr_establish(INTR_MAX, handler, 0); }).toThrow("no such source");
    expect(() => { intr_establish(-1, handler, 0); }).toThrow("no such source");
  });
});

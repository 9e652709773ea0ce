/**
 * kqueue on files: EVFILT_READ counts what is left, EVFILT_VNODE tells of changes.
 */
import { EINVAL } from "../../kernel/abi/errno";
import * as ev from "../../kernel/abi/event";
import * as fc from "../../kernel/abi/fcntl";
import * as nr from "../../kernel/abi/syscall";
import { syscall } from "../../kernel/kern/syscall";
import * as t from "./tmpfs_spec_sys";

const CHANGE: usize = memory.data(24, 8);
const EVENTS: usize = memory.data(240, 8);
const CREATE: i32 = fc.O_RDWR | fc.O_CREAT | fc.O_TRUNC;
const ALL: i32 = ev.NOTE_DELETE | ev.NOTE_WRITE | ev.NOTE_EXTEND | ev.NOTE_ATTRIB | ev.NOTE_LINK | ev.NOTE_RENAME;

let kq: i32 = -1;

beforeAll(() => {
  t.spec_boot();
  kq = syscall(nr.SYS_kqueue, 0, 0, 0, 0, 0, 0);
});

function kevent(nch: i32, nev: i32): i32 {
  return syscall(nr.SYS_kevent, kq, <i32>CHANGE, nch, <i32>EVENTS, nev, 0);
}

function change(fd: i32, filter: i32, flags: i32, fflags: i32): i32 {
  store<u32>(CHANGE, fd, ev.KE_IDENT);
  store<i16>(CHANGE, <i16>filter, ev.KE_FILTER);
  store<u16>(CHANGE, <u16>flags, ev.KE_FLAGS);
  store<i32>(CHANGE, fflags, ev.KE_FFLAGS);
  store<i32>(CHANGE, 0, ev.KE_UDATA);
  store<i64>(CHANGE, 0, ev.KE_DATA);
  return kevent(1, 0);
}

/** The fflags of the one event there is; 0 if there is none. */
function notes(): i32 {
  const n = kevent(0, 10);
  assert(n <= 1, "one watch, one event");
  return n == 0 ? 0 : load<i32>(EVENTS, ev.KE_FFLAGS);
}

/** A watched file or directory. */
function watch(path: string): i32 {
  const fd = t.open(path, fc.O_RDONLY);
  expect(change(fd, ev.EVFILT_VNODE, ev.EV_ADD | ev.EV_CLEAR, ALL)).toBe(0);
  expect(notes()).toBe(0);
  return fd;
}

describe("EVFILT_READ", () => {
  it("is ready while bytes are left", () => {
    const fd = t.open("/f", CREATE);
    expect(change(fd, ev.EVFILT_READ, ev.EV_ADD, 0)).toBe(0);
    expect(kevent(0, 10)).toBe(0, "empty");
    t.pwrite(fd, t.DATA, 100, 0);
    expect(kevent(0, 10)).toBe(1);
    expect(load<i64>(EVENTS, ev.KE_DATA)).toBe(100);
    t.read(fd, t.DATA, 60);
    expect(kevent(0, 10)).toBe(1);
    expect(load<i64>(EVENTS, ev.KE_DATA)).toBe(40);
    t.read(fd, t.DATA, 60);
    expect(kevent(0, 10)).toBe(0, "all read");
    t.lseek(fd, 10, fc.SEEK_SET);
    expect(kevent(0, 10)).toBe(1, "gone back");
    expect(load<i64>(EVENTS, ev.KE_DATA)).toBe(90);
    t.truncate("/f", 5);
    expect(kevent(0, 10)).toBe(0, "cut before the offset");
    t.close(fd);
    expect(kevent(0, 10)).toBe(0);
  });
  it("is for files only, EVFILT_WRITE always ready", () => {
    const dir = t.open("/", fc.O_RDONLY);
    expect(change(dir, ev.EVFILT_READ, ev.EV_ADD, 0)).toBe(-EINVAL);
    t.close(dir);
    const fd = t.open("/f", fc.O_RDWR);
    expect(change(fd, ev.EVFILT_WRITE, ev.EV_ADD | ev.EV_ONESHOT, 0)).toBe(0);
    expect(kevent(0, 10)).toBe(1);
    expect(kevent(0, 10)).toBe(0);
    t.close(fd);
  });
});

describe("EVFILT_VNODE", () => {
  it("tells what happened to a file", () => {
    t.put_file("/w", "12345");
    const fd = watch("/w");
    const out = t.open("/w", fc.O_RDWR);
    t.pwrite(out, t.DATA, 2, 0);
    expect(notes()).toBe(ev.NOTE_WRITE);
    t.pwrite(out, t.DATA, 2, 4);
    expect(notes()).toBe(ev.NOTE_WRITE | ev.NOTE_EXTEND);
    t.ftruncate(out, 3);
    expect(notes()).toBe(ev.NOTE_WRITE);
    t.close(out);
    expect(notes()).toBe(0);
    t.chmod("/w", 0o600);
    t.utimens("/w", 0);
    expect(notes()).toBe(ev.NOTE_ATTRIB);
    t.link("/w", "/w2");
    expect(notes()).toBe(ev.NOTE_LINK);
    t.rename("/w", "/w3");
    expect(notes()).toBe(ev.NOTE_RENAME);
    t.unlink("/w2");
    expect(notes()).toBe(ev.NOTE_LINK, "another name is left");
    t.unlink("/w3");
    expect(notes()).toBe(ev.NOTE_DELETE);
    t.close(fd);
  });
  it("tells that a file was replaced", () => {
    t.put_file("/old", "");
    t.put_file("/new", "");
    const fd = watch("/old");
    t.rename("/new", "/old");
    expect(notes()).toBe(ev.NOTE_DELETE);
    t.close(fd);
  });
  it("tells what happened in a directory", () => {
    t.mkdir("/d");
    const fd = watch("/d");
    t.put_file("/d/f", "x");
    expect(notes()).toBe(ev.NOTE_WRITE);
    t.put_file("/d/f", "y");
    expect(notes()).toBe(0, "no entry changed");
    t.mkdir("/d/e");
    expect(notes()).toBe(ev.NOTE_WRITE | ev.NOTE_LINK);
    t.symlink("x", "/d/s");
    expect(notes()).toBe(ev.NOTE_WRITE);
    t.rename("/d/f", "/d/g");
    expect(notes()).toBe(ev.NOTE_WRITE);
    t.rename("/d/g", "/g");
    expect(notes()).toBe(ev.NOTE_WRITE);
    t.link("/g", "/d/h");
    expect(notes()).toBe(ev.NOTE_WRITE);
    t.unlink("/d/h");
    t.unlink("/d/s");
    expect(notes()).toBe(ev.NOTE_WRITE);
    t.rmdir("/d/e");
    expect(notes()).toBe(ev.NOTE_WRITE | ev.NOTE_LINK);
    t.rmdir("/d");
    expect(notes()).toBe(ev.NOTE_DELETE);
    t.close(fd);
  });
  it("tells only what was asked for", () => {
    t.put_file("/q", "x");
    const fd = t.open("/q", fc.O_RDWR);
    expect(change(fd, ev.EVFILT_VNODE, ev.EV_ADD | ev.EV_CLEAR, ev.NOTE_DELETE)).toBe(0);
    t.write(fd, t.DATA, 10);
    expect(notes()).toBe(0);
    t.unlink("/q");
    expect(notes()).toBe(ev.NOTE_DELETE);
    t.close(fd);
  });
});

/**
 * kqueue(2), by flag: what each asks for on a file that becomes ready and unready, what errors the
 * call has, and what happens to knotes when either end is closed.
 */
import { EBADF, EFAULT, EINVAL, EMFILE, ENOENT, ENOMEM } from "../abi/errno";
import { EV_ADD, EV_CLEAR, EV_DELETE, EV_DISABLE, EV_DISPATCH, EV_ENABLE, EV_EOF, EV_ERROR, EV_ONESHOT, EV_RECEIPT,
  EVFILT_READ, EVFILT_TIMER, EVFILT_USER, EVFILT_VNODE, EVFILT_WRITE, KEVENT_SIZE } from "../abi/event";
import { KERN_MAXKNOTES, KERN_MAXKQUEUES } from "rump/tunables";
import { SpecFile, spec_buf, spec_file, spec_files_open, spec_kern_boot } from "./kern_spec_boot";
import { change, change_at, ev_data, ev_filter, ev_flags, ev_ident, ev_udata, event_at, kevent, kq_close, kq_open, poll,
  put_change } from "./kqueue_spec_sys";
import { fd_nfiles } from "./file";
import { Pool, pool_first } from "./pool";
import { sys_close, sys_fcntl, sys_kevent, sys_kqueue, sys_read, sys_write } from "./usyscall";

spec_kern_boot();

let kq: i32 = 0;
let fd: i32 = 0;

function knotes_inuse(): i32 {
  for (let p = pool_first(); p; p = p.pr_next) if (p.pr_name == "knote") return p.pr_nout;
  return -1;
}

function write(n: i32): void {
  assert(sys_write(fd, spec_buf, n) == n, "spec: write");
}

function read(n: i32): void {
  assert(sys_read(fd, spec_buf + 60000, n) == n, "spec: read");
}

function set_up(): void {
  kq = kq_open();
  fd = spec_file();
}

function tear_down(): void {
  sys_close(fd);
  sys_close(kq);
  assert(knotes_inuse() == 0, "a knote is left");
  assert(fd_nfiles() == 0 && spec_files_open() == 0, "a file is left");
}

describe("a knote", () => {
  beforeEach(set_up);
  afterEach(tear_down);

  it("tells of what is ready, level-triggered, until it is not", () => {
    expect(change(kq, fd, EVFILT_READ, EV_ADD, 0, 0, 77)).toBe(0);
    expect(poll(kq)).toBe(0, "nothing yet");
    write(10);
    for (let i = 0; i < 3; i++) {
      expect(poll(kq)).toBe(1);
      expect(ev_ident(0)).toBe(fd);
      expect(ev_filter(0)).toBe(EVFILT_READ);
      expect(ev_data(0)).toBe(10);
      expect(ev_udata(0)).toBe(77);
      expect(ev_flags(0)).toBe(0);
    }
    read(4);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(6, "as it is at the time of the call");
    read(6);
    expect(poll(kq)).toBe(0);
    write(1);
    expect(poll(kq)).toBe(1, "ready again");
  });

  it("is not delivered when what made it ready is gone before it is fetched", () => {
    change(kq, fd, EVFILT_READ, EV_ADD);
    write(10);
    read(10);
    expect(poll(kq)).toBe(0);
    write(3);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(3);
  });

  it("is ready at once if the file is", () => {
    write(5);
    expect(change(kq, fd, EVFILT_READ, EV_ADD)).toBe(0);
    expect(poll(kq)).toBe(1);
  });

  it("can be added and fetched in one call", () => {
    put_change(0, fd, EVFILT_WRITE, EV_ADD);
    expect(kevent(kq, 1, 8)).toBe(1);
    expect(ev_filter(0)).toBe(EVFILT_WRITE);
    expect(ev_data(0)).toBe(SpecFile.ROOM);
  });

  it("stands for one filter of one descriptor", () => {
    change(kq, fd, EVFILT_READ, EV_ADD);
    change(kq, fd, EVFILT_WRITE, EV_ADD);
    write(2);
    expect(poll(kq)).toBe(2);
    expect(ev_filter(0) + ev_filter(1)).toBe(EVFILT_READ + EVFILT_WRITE);
    expect(poll(kq, 1)).toBe(1);
    const first = ev_filter(0);
    expect(poll(kq, 1)).toBe(1);
    expect(ev_filter(0)).not.toBe(first, "in turn");
  });

  it("is one of many on the same file", () => {
    const other = kq_open();
    change(kq, fd, EVFILT_READ, EV_ADD, 0, 0, 1);
    change(other, fd, EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0, 2);
    write(2);
    expect(poll(other)).toBe(1);
    expect(ev_udata(0)).toBe(2);
    expect(poll(other)).toBe(0);
    expect(poll(kq)).toBe(1);
    expect(ev_udata(0)).toBe(1);
    kq_close(other);
    expect(poll(kq)).toBe(1);
  });

  it("takes the flags and udata of a second EV_ADD", () => {
    change(kq, fd, EVFILT_READ, EV_ADD, 0, 0, 1);
    change(kq, fd, EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0, 2);
    expect(knotes_inuse()).toBe(1);
    write(1);
    expect(poll(kq)).toBe(1);
    expect(ev_udata(0)).toBe(2);
    expect(poll(kq)).toBe(0);
    expect(knotes_inuse()).toBe(0);
  });
});

describe("flag", () => {
  beforeEach(set_up);
  afterEach(tear_down);

  it("EV_DELETE takes it away, queued or not", () => {
    change(kq, fd, EVFILT_READ, EV_ADD);
    expect(change(kq, fd, EVFILT_READ, EV_DELETE)).toBe(0);
    write(1);
    expect(poll(kq)).toBe(0);
    change(kq, fd, EVFILT_READ, EV_ADD);
    expect(change(kq, fd, EVFILT_READ, EV_DELETE)).toBe(0);
    expect(poll(kq)).toBe(0);
    expect(change(kq, fd, EVFILT_READ, EV_DELETE)).toBe(-ENOENT);
  });

  it("EV_DISABLE keeps it and EV_ENABLE brings it back, with what happened meanwhile", () => {
    change(kq, fd, EVFILT_READ, EV_ADD);
    write(1);
    expect(change(kq, fd, EVFILT_READ, EV_DISABLE)).toBe(0);
    expect(poll(kq)).toBe(0);
    write(1);
    expect(poll(kq)).toBe(0);
    expect(change(kq, fd, EVFILT_READ, EV_ENABLE)).toBe(0);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(2);
    expect(ev_flags(0)).toBe(0);
  });

  it("EV_ADD with EV_DISABLE adds it asleep; another EV_ADD does not wake it", () => {
    write(1);
    change(kq, fd, EVFILT_READ, EV_ADD | EV_DISABLE);
    expect(poll(kq)).toBe(0);
    change(kq, fd, EVFILT_READ, EV_ADD);
    expect(poll(kq)).toBe(0);
    change(kq, fd, EVFILT_READ, EV_ADD | EV_ENABLE);
    expect(poll(kq)).toBe(1);
  });

  it("EV_ONESHOT delivers once and forgets", () => {
    change(kq, fd, EVFILT_READ, EV_ADD | EV_ONESHOT);
    write(1);
    expect(poll(kq)).toBe(1);
    expect(ev_flags(0)).toBe(EV_ONESHOT);
    expect(poll(kq)).toBe(0);
    expect(knotes_inuse()).toBe(0);
    expect(change(kq, fd, EVFILT_READ, EV_ENABLE)).toBe(-ENOENT);
  });

  it("EV_CLEAR delivers each change once", () => {
    change(kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR);
    write(1);
    write(1);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(2);
    expect(poll(kq)).toBe(0, "still readable, but no news");
    write(1);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(3);
    expect(poll(kq)).toBe(0);
    change(kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR);
    expect(poll(kq)).toBe(1, "EV_ADD looks again");
  });

  it("EV_DISPATCH disables with the delivery", () => {
    change(kq, fd, EVFILT_READ, EV_ADD | EV_DISPATCH);
    write(1);
    expect(poll(kq)).toBe(1);
    write(1);
    expect(poll(kq)).toBe(0);
    change(kq, fd, EVFILT_READ, EV_ENABLE);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(2);
    expect(poll(kq)).toBe(0);
    change(kq, fd, EVFILT_READ, EV_ENABLE);
    expect(poll(kq)).toBe(1, "level-triggered: still readable");
  });

  it("EV_RECEIPT answers every change and fetches nothing", () => {
    write(1);
    put_change(0, fd, EVFILT_READ, EV_ADD | EV_RECEIPT, 0, 0, 5);
    put_change(1, 50, EVFILT_READ, EV_ADD | EV_RECEIPT, 0, 0, 6);
    put_change(2, fd, EVFILT_WRITE, EV_ADD | EV_RECEIPT, 0, 0, 7);
    expect(kevent(kq, 3, 8)).toBe(3);
    for (let i = 0; i < 3; i++) {
      expect(ev_flags(i)).toBe(EV_ERROR);
      expect(ev_udata(i)).toBe(5 + i);
      expect(ev_data(i)).toBe(i == 1 ? EBADF : 0);
    }
    expect(poll(kq)).toBe(2);
  });

  it("EV_ERROR and EV_EOF are not the caller's to set", () => {
    change(kq, fd, EVFILT_READ, EV_ADD | EV_ERROR | EV_EOF);
    write(1);
    expect(poll(kq)).toBe(1);
    expect(ev_flags(0)).toBe(0);
  });

  it("EV_DELETE wins over nothing else, EV_DISABLE over EV_ENABLE", () => {
    change(kq, fd, EVFILT_READ, EV_ADD | EV_ENABLE | EV_DISABLE);
    write(1);
    expect(poll(kq)).toBe(0);
    expect(change(kq, fd, EVFILT_READ, EV_DELETE | EV_ENABLE)).toBe(0);
    expect(knotes_inuse()).toBe(0);
  });
});

describe("kevent refuses", () => {
  beforeEach(set_up);
  afterEach(tear_down);

  it("what is not a kqueue", () => {
    expect(poll(fd)).toBe(-EBADF);
    expect(poll(-1)).toBe(-EBADF);
    expect(poll(i32.MAX_VALUE)).toBe(-EBADF);
    expect(poll(40)).toBe(-EBADF);
  });

  it("a descriptor that is not open, and a filter that is none", () => {
    expect(change(kq, 40, EVFILT_READ, EV_ADD)).toBe(-EBADF);
    expect(change(kq, -1, EVFILT_WRITE, EV_ADD)).toBe(-EBADF);
    for (let filter = -3; filter < 20; filter++) {
      const known = filter == EVFILT_READ || filter == EVFILT_WRITE || filter == EVFILT_TIMER || filter == EVFILT_USER;
      if (!known) expect(change(kq, fd, filter, EV_ADD)).toBe(-EINVAL, filter.toString());
    }
    expect(change(kq, fd, EVFILT_VNODE, EV_ADD)).toBe(-EINVAL, "the file has no such filter");
    expect(knotes_inuse()).toBe(0);
  });

  it("to change what is not there", () => {
    expect(change(kq, fd, EVFILT_READ, 0)).toBe(-ENOENT);
    expect(change(kq, fd, EVFILT_READ, EV_ENABLE)).toBe(-ENOENT);
    expect(change(kq, 9, EVFILT_USER, EV_DISABLE)).toBe(-ENOENT);
    expect(change(kq, 9, EVFILT_TIMER, EV_DELETE)).toBe(-ENOENT);
  });

  it("memory that is not there, and counts that cannot be", () => {
    const end = <usize>memory.size() << 16;
    expect(sys_kevent(kq, end - KEVENT_SIZE + 1, 1, 0, 0)).toBe(-EFAULT);
    expect(sys_kevent(kq, 0, 0, end - KEVENT_SIZE + 1, 1)).toBe(-EFAULT);
    expect(sys_kevent(kq, 0xfffffff0, 1, 0, 0)).toBe(-EFAULT);
    expect(sys_kevent(kq, 0, 0x7fffffff, 0, 0)).toBe(-EINVAL);
    expect(sys_kevent(kq, 0, 0, 0, 0x7fffffff)).toBe(-EINVAL);
    expect(sys_kevent(kq, 0, -1, 0, 0)).toBe(-EINVAL);
    expect(sys_kevent(kq, 0, 0, 0, -1)).toBe(-EINVAL);
    expect(sys_kevent(kq, 0, 0x7fffffff / KEVENT_SIZE, 0, 0)).toBe(-EFAULT);
    expect(sys_kevent(kq, end - KEVENT_SIZE, 1, end - KEVENT_SIZE, 1)).toBe(1, "the last that is there");
  });

  it("more knotes than there are", () => {
    for (let i = 0; i < KERN_MAXKNOTES; i++) assert(change(kq, i, EVFILT_USER, EV_ADD) == 0, "spec: add");
    expect(change(kq, KERN_MAXKNOTES, EVFILT_USER, EV_ADD)).toBe(-ENOMEM);
    expect(change(kq, 7, EVFILT_USER, EV_DELETE)).toBe(0);
    expect(change(kq, fd, EVFILT_READ, EV_ADD)).toBe(0);
    expect(change(kq, 7, EVFILT_USER, EV_ADD)).toBe(-ENOMEM);
  });

  it("more kqueues than there are", () => {
    const first = fd + 1;
    for (let i = 1; i < KERN_MAXKQUEUES; i++) expect(sys_kqueue()).toBe(first + i - 1);
    expect(sys_kqueue()).toBe(-EMFILE);
    kq_close(first);
    expect(sys_kqueue()).toBe(first);
    for (let i = 1; i < KERN_MAXKQUEUES; i++) kq_close(first + i - 1);
  });
});

describe("a list of changes", () => {
  beforeEach(set_up);
  afterEach(tear_down);

  it("goes on behind an error that there was room for", () => {
    put_change(0, fd, EVFILT_READ, EV_ADD);
    put_change(1, 40, EVFILT_READ, EV_ADD, 0, 0, 11);
    put_change(2, fd, EVFILT_READ, EV_DELETE | EV_ADD, 0, 0, 12);
    put_change(3, 4, EVFILT_USER, EV_DELETE, 0, 0, 13);
    expect(kevent(kq, 4, 8)).toBe(2);
    expect(ev_ident(0)).toBe(40);
    expect(ev_udata(0)).toBe(11);
    expect(ev_flags(0)).toBe(EV_ERROR);
    expect(ev_data(0)).toBe(EBADF);
    expect(ev_udata(1)).toBe(13);
    expect(ev_data(1)).toBe(ENOENT);
    expect(knotes_inuse()).toBe(0, "the change between the two was made");
  });

  it("ends with the error that there is no room for", () => {
    put_change(0, 40, EVFILT_READ, EV_ADD);
    put_change(1, fd, EVFILT_READ, EV_ADD);
    expect(kevent(kq, 2, 0)).toBe(-EBADF);
    expect(knotes_inuse()).toBe(0);
  });

  it("may lie where the events go", () => {
    write(9);
    put_change(0, fd, EVFILT_READ, EV_ADD);
    put_change(1, fd, EVFILT_WRITE, EV_ADD);
    expect(sys_kevent(kq, change_at(0), 2, change_at(0), 2)).toBe(2);
    memory.copy(event_at(0), change_at(0), 2 * KEVENT_SIZE);
    expect(ev_data(0)).toBe(9);
    expect(ev_data(1)).toBe(SpecFile.ROOM - 9);
  });
});

describe("close", () => {
  beforeEach(set_up);
  afterEach(tear_down);

  it("of the file takes its knotes along, without an event", () => {
    change(kq, fd, EVFILT_READ, EV_ADD);
    change(kq, fd, EVFILT_WRITE, EV_ADD | EV_DISABLE);
    write(1);
    expect(sys_close(fd)).toBe(0);
    expect(knotes_inuse()).toBe(0);
    expect(poll(kq)).toBe(0);
    fd = spec_file();
    write(1);
    expect(poll(kq)).toBe(0, "the descriptor is another's");
  });

  it("of the kqueue takes all of its knotes along and leaves the others'", () => {
    const other = kq_open();
    change(kq, fd, EVFILT_READ, EV_ADD);
    change(other, fd, EVFILT_READ, EV_ADD);
    change(kq, fd, EVFILT_WRITE, EV_ADD);
    for (let i = 0; i < 40; i++) change(kq, i, i % 2 == 0 ? EVFILT_USER : EVFILT_TIMER, EV_ADD, 0, 100);
    write(1);
    kq_close(kq);
    expect(knotes_inuse()).toBe(1);
    expect(poll(other)).toBe(1);
    kq_close(other);
    kq = kq_open();
    expect(poll(kq)).toBe(0, "a kqueue in the same memory is empty");
  });

  it("leaves kqueues that cannot be read, written or set", () => {
    expect(sys_read(kq, spec_buf, 1)).toBe(-EINVAL);
    expect(sys_write(kq, spec_buf, 1)).toBe(-EBADF);
    expect(sys_fcntl(kq, 3, 0)).toBe(0);
  });
});

/**
 * Descriptors: the lowest free number, their limit, flags, errors; and reads and writes by vector.
 */
import { EAGAIN, EBADF, EFAULT, EINVAL, EMFILE, ENOSYS, ENOTTY, EOPNOTSUPP } from "../abi/errno";
import { F_GETFL, F_SETFL, O_APPEND, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../abi/fcntl";
import { IOV_BASE, IOV_LEN, IOV_MAX, IOVEC_SIZE } from "../abi/socket";
import { SYS_MAXSYSCALL, SYS_close, SYS_read } from "../abi/syscall";
import { FREAD, FWRITE, fd_getfile, fd_maxfiles, fd_nfiles } from "./file";
import { SpecFile, spec_below, spec_buf, spec_file, spec_files_open, spec_kern_boot, spec_srand } from "./kern_spec_boot";
import { syscall, syscall_count } from "./syscall";
import * as u from "./usyscall";

spec_kern_boot();

const IOV: usize = 8192;

/** Behind the last byte; the heap of as-pect moves it. */
function end(): usize {
  return <usize>memory.size() << 16;
}

/** Write iovec `i`. */
function iov(i: i32, base: usize, len: i32): void {
  store<usize>(spec_buf + IOV + <usize>(i * IOVEC_SIZE), base, IOV_BASE);
  store<i32>(spec_buf + IOV + <usize>(i * IOVEC_SIZE), len, IOV_LEN);
}

function close_all(): void {
  for (let fd = 0; fd < fd_maxfiles(); fd++) u.sys_close(fd);
  assert(fd_nfiles() == 0 && spec_files_open() == 0, "spec: a file is left");
}

describe("a descriptor", () => {
  afterEach(close_all);

  it("is the lowest that is free", () => {
    for (let i = 0; i < 10; i++) expect(spec_file()).toBe(i);
    u.sys_close(7);
    u.sys_close(2);
    u.sys_close(5);
    expect(spec_file()).toBe(2);
    expect(spec_file()).toBe(5);
    expect(u.sys_kqueue()).toBe(7);
    expect(spec_file()).toBe(10);
    expect(fd_nfiles()).toBe(11);
  });

  it("is found free by a model at random", () => {
    const open = new StaticArray<bool>(64);
    spec_srand(3);
    for (let step = 0; step < 3000; step++) {
      if (spec_below(2) == 0 && spec_files_open() < 64) {
        let lowest = 0;
        while (open[lowest]) lowest++;
        assert(spec_file() == lowest, "not the lowest");
        open[lowest] = true;
      } else {
        const fd = spec_below(64);
        assert(u.sys_close(fd) == (open[fd] ? 0 : -EBADF), "close");
        open[fd] = false;
      }
    }
    expect(fd_nfiles()).toBe(spec_files_open());
  });

  it("is refused when there are no more, until one is closed", () => {
    const fp = changetype<usize>(fd_getfile(spec_file()));
    expect(fp).not.toBe(0);
    // kqueues and files together do not fill the table: take the rest by hand.
    let n = 1;
    for (; n < 64; n++) spec_file();
    for (; n < fd_maxfiles(); n++) if (u.sys_kqueue() < 0) break;
    expect(n).toBe(64 + 64, "the pools end first");
    expect(u.sys_kqueue()).toBe(-EMFILE);
    u.sys_close(3);
    expect(spec_file()).toBe(3);
  });

  it("outside the table is bad", () => {
    const bad = [-1, 0, 63, 64, fd_maxfiles(), fd_maxfiles() + 1, i32.MAX_VALUE, i32.MIN_VALUE];
    for (let i = 0; i < bad.length; i++) {
      expect(changetype<usize>(fd_getfile(bad[i]))).toBe(0);
      expect(u.sys_close(bad[i])).toBe(-EBADF);
      expect(u.sys_read(bad[i], spec_buf, 1)).toBe(-EBADF);
      expect(u.sys_write(bad[i], spec_buf, 1)).toBe(-EBADF);
      expect(u.sys_readv(bad[i], spec_buf, 1)).toBe(-EBADF);
      expect(u.sys_writev(bad[i], spec_buf, 1)).toBe(-EBADF);
      expect(u.sys_fcntl(bad[i], F_GETFL, 0)).toBe(-EBADF);
      expect(u.sys_ioctl(bad[i], 0, 0)).toBe(-EBADF);
      expect(u.sys_fstat(bad[i], spec_buf)).toBe(-EBADF);
    }
  });

  it("answers for what its file has not", () => {
    const fd = spec_file();
    expect(u.sys_ioctl(fd, 1, 0)).toBe(-ENOTTY);
    expect(u.sys_fstat(fd, spec_buf)).toBe(-EOPNOTSUPP);
  });

  it("is read and written only as it was opened", () => {
    const fd = spec_file();
    fd_getfile(fd).f_flag = FREAD;
    expect(u.sys_fcntl(fd, F_GETFL, 0)).toBe(O_RDONLY);
    expect(u.sys_write(fd, spec_buf, 1)).toBe(-EBADF);
    expect(u.sys_writev(fd, spec_buf, 1)).toBe(-EBADF);
    fd_getfile(fd).f_flag = FWRITE;
    expect(u.sys_fcntl(fd, F_GETFL, 0)).toBe(O_WRONLY);
    expect(u.sys_read(fd, spec_buf, 1)).toBe(-EBADF);
    expect(u.sys_readv(fd, spec_buf, 1)).toBe(-EBADF);
  });

  it("checks memory before it is touched", () => {
    const fd = spec_file();
    expect(u.sys_write(fd, spec_buf, -1)).toBe(-EINVAL);
    expect(u.sys_read(fd, spec_buf, i32.MIN_VALUE)).toBe(-EINVAL);
    expect(u.sys_write(fd, end() - 4, 5)).toBe(-EFAULT);
    expect(u.sys_write(fd, 0xffffffff, 1)).toBe(-EFAULT);
    expect(u.sys_read(fd, spec_buf, 0x7fffffff)).toBe(-EFAULT);
    expect(u.sys_write(fd, end() - 4, 4)).toBe(4);
    expect(u.sys_write(fd, end(), 0)).toBe(0);
  });
});

describe("fcntl", () => {
  afterEach(close_all);

  it("sets O_NONBLOCK and O_APPEND and nothing else", () => {
    const fd = spec_file();
    expect(u.sys_fcntl(fd, F_GETFL, 0)).toBe(O_RDWR);
    expect(u.sys_fcntl(fd, F_SETFL, O_NONBLOCK)).toBe(0);
    expect(u.sys_fcntl(fd, F_GETFL, 0)).toBe(O_RDWR | O_NONBLOCK);
    expect(u.sys_fcntl(fd, F_SETFL, -1)).toBe(0);
    expect(u.sys_fcntl(fd, F_GETFL, 0)).toBe(O_RDWR | O_NONBLOCK | O_APPEND);
    expect(u.sys_fcntl(fd, F_SETFL, 0)).toBe(0);
    expect(u.sys_fcntl(fd, F_GETFL, 0)).toBe(O_RDWR);
    expect(u.sys_fcntl(fd, 99, 0)).toBe(-EINVAL);
    expect(u.sys_fcntl(fd, -1, 0)).toBe(-EINVAL);
  });
});

describe("readv and writev", () => {
  afterEach(close_all);

  it("go through the buffers in order until one is not filled", () => {
    const fd = spec_file();
    for (let i = 0; i < 4; i++) iov(i, spec_buf + <usize>(i * 100), 30);
    expect(u.sys_writev(fd, spec_buf + IOV, 3)).toBe(90);
    expect(u.sys_writev(fd, spec_buf + IOV, 3)).toBe(10, "room for 100 in all");
    expect(u.sys_writev(fd, spec_buf + IOV, 3)).toBe(-EAGAIN);
    memory.fill(spec_buf, 0, 400);
    expect(u.sys_readv(fd, spec_buf + IOV, 2)).toBe(60);
    expect(load<u8>(spec_buf + 29)).toBe(0x52);
    expect(load<u8>(spec_buf + 30)).toBe(0);
    expect(load<u8>(spec_buf + 100)).toBe(0x52);
    expect(u.sys_readv(fd, spec_buf + IOV, 4)).toBe(40);
    expect(load<u8>(spec_buf + 200)).toBe(0);
    expect(u.sys_readv(fd, spec_buf + IOV, 4)).toBe(-EAGAIN);
  });

  it("pass over buffers without length", () => {
    const fd = spec_file();
    iov(0, 0, 0);
    iov(1, spec_buf, 5);
    iov(2, end(), 0);
    iov(3, spec_buf, 6);
    expect(u.sys_writev(fd, spec_buf + IOV, 4)).toBe(11);
    expect(u.sys_writev(fd, spec_buf + IOV, 1)).toBe(0);
  });

  it("refuse counts and lengths that cannot be", () => {
    const fd = spec_file();
    for (let i = 0; i <= IOV_MAX; i++) iov(i, spec_buf, 0);
    expect(u.sys_writev(fd, spec_buf + IOV, 0)).toBe(-EINVAL);
    expect(u.sys_readv(fd, spec_buf + IOV, -1)).toBe(-EINVAL);
    expect(u.sys_writev(fd, spec_buf + IOV, IOV_MAX + 1)).toBe(-EINVAL);
    expect(u.sys_writev(fd, spec_buf + IOV, i32.MIN_VALUE)).toBe(-EINVAL);
    expect(u.sys_writev(fd, spec_buf + IOV, IOV_MAX)).toBe(0);
    iov(1, spec_buf, -1);
    expect(u.sys_writev(fd, spec_buf + IOV, 2)).toBe(-EINVAL);
    for (let i = 0; i < IOV_MAX; i++) iov(i, 0, 4 << 20);
    expect(u.sys_writev(fd, spec_buf + IOV, IOV_MAX)).toBe(-EINVAL, "4 GiB in all");
  });

  it("check all memory before any is touched", () => {
    const fd = spec_file();
    iov(0, spec_buf, 10);
    iov(1, end() - 3, 4);
    expect(u.sys_writev(fd, spec_buf + IOV, 2)).toBe(-EFAULT);
    iov(1, 0xffffffff, 1);
    expect(u.sys_readv(fd, spec_buf + IOV, 2)).toBe(-EFAULT);
    expect(changetype<SpecFile>(changetype<usize>(fd_getfile(fd))).avail).toBe(0);
    expect(u.sys_writev(fd, end() - 8, 2)).toBe(-EFAULT, "the iovecs themselves");
    expect(u.sys_writev(fd, 0xfffffff8, 1)).toBe(-EFAULT);
  });

  it("read the iovecs once: they may lie in a buffer of theirs", () => {
    const fd = spec_file();
    u.sys_write(fd, spec_buf, 100);
    iov(0, spec_buf + IOV, 24);
    iov(1, spec_buf, 10);
    iov(2, spec_buf, 10);
    expect(u.sys_readv(fd, spec_buf + IOV, 3)).toBe(44);
    expect(load<u32>(spec_buf + IOV)).toBe(0x52525252);
  });
});

describe("the dispatcher", () => {
  it("knows what it does not know", () => {
    expect(syscall(0, 0, 0, 0, 0, 0, 0)).toBe(-ENOSYS);
    expect(syscall(-1, 0, 0, 0, 0, 0, 0)).toBe(-ENOSYS);
    expect(syscall(SYS_MAXSYSCALL, 0, 0, 0, 0, 0, 0)).toBe(-ENOSYS);
    expect(syscall(i32.MAX_VALUE, 0, 0, 0, 0, 0, 0)).toBe(-ENOSYS);
    expect(syscall(97, 0, 0, 0, 0, 0, 0)).toBe(-ENOSYS, "socket: no net here");
    expect(syscall_count(-1)).toBe(0);
  });

  it("counts calls by number", () => {
    const reads = syscall_count(SYS_read);
    const closes = syscall_count(SYS_close);
    u.sys_read(5, spec_buf, 1);
    u.sys_read(5, spec_buf, 1);
    expect(syscall_count(SYS_read)).toBe(reads + 2);
    expect(syscall_count(SYS_close)).toBe(closes);
  });
});

/**
 * tmpfs by its system calls: files, holes, addresses for sendfile, directories.
 */
import {
  EBADF, EBUSY, EEXIST, EFBIG, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, EPERM,
} from "../../kernel/abi/errno";
import * as fc from "../../kernel/abi/fcntl";
import * as st from "../../kernel/abi/stat";
import * as t from "./tmpfs_spec_sys";

const LEN: usize = memory.data(4, 4);
const CREATE: i32 = fc.O_RDWR | fc.O_CREAT | fc.O_TRUNC;

beforeAll(() => { t.spec_boot(); });

describe("files", () => {
  it("keep what is written", () => {
    expect(t.put_file("/a", "hello")).toBe(5);
    expect(t.get_file("/a")).toBe("hello");
    expect(t.get_file("a")).toBe("hello", "paths count from the root");
    expect(t.stat("/a")).toBe(0);
    expect(t.st_size()).toBe(5);
    expect(t.st_mode()).toBe(st.S_IFREG | 0o644);
    expect(t.st_nlink()).toBe(1);
    expect(t.st_i64(st.STAT_BLOCKS)).toBe(8);
  });
  it("have one offset for reading and writing, and append at the end", () => {
    const fd = t.open("/b", CREATE);
    memory.fill(t.DATA, 120, 10);
    expect(t.write(fd, t.DATA, 10)).toBe(10);
    expect(t.lseek(fd, 3, fc.SEEK_SET)).toBe(3);
    expect(t.lseek(fd, 2, fc.SEEK_CUR)).toBe(5);
    expect(t.lseek(fd, -1, fc.SEEK_END)).toBe(9);
    expect(t.read(fd, t.DATA, 10)).toBe(1);
    expect(t.read(fd, t.DATA, 10)).toBe(0);
    expect(t.lseek(fd, -1, fc.SEEK_SET)).toBe(-EINVAL);
    expect(t.lseek(fd, 0, 9)).toBe(-EINVAL);
    expect(t.lseek(fd, i64.MAX_VALUE, fc.SEEK_END)).toBe(-EINVAL);
    t.close(fd);
    const app = t.open("/b", fc.O_WRONLY | fc.O_APPEND);
    expect(t.write(app, t.DATA, 1)).toBe(1);
    expect(t.read(app, t.DATA, 1)).toBe(-EBADF);
    expect(t.pwrite(app, t.DATA, 1, 0)).toBe(1);
    t.close(app);
    t.stat("/b");
    expect(t.st_size()).toBe(11);
  });
  it("open as the flags say", () => {
    expect(t.open("/none", fc.O_RDONLY)).toBe(-ENOENT);
    expect(t.open("/a", fc.O_CREAT | fc.O_EXCL)).toBe(-EEXIST);
    expect(t.open("/a", fc.O_DIRECTORY)).toBe(-ENOTDIR);
    expect(t.open("/", fc.O_WRONLY)).toBe(-EISDIR);
    expect(t.open("/", fc.O_CREAT)).toBe(-EISDIR);
    expect(t.open("/new/", fc.O_CREAT)).toBe(-EISDIR);
    expect(t.open("/a/", fc.O_RDONLY)).toBe(-ENOTDIR);
    expect(t.open("/a", 3)).toBe(-EINVAL);
    expect(t.open("/x", fc.O_CREAT | fc.O_DIRECTORY)).toBe(-EINVAL);
    expect(t.open("", fc.O_RDONLY)).toBe(-ENOENT);
    t.close(t.open("/a", fc.O_WRONLY | fc.O_TRUNC));
    expect(t.get_file("/a")).toBe("");
    const fd = t.open("/", fc.O_RDONLY | fc.O_DIRECTORY);
    expect(t.read(fd, t.DATA, 10)).toBe(-EISDIR);
    t.close(fd);
  });
  it("live on without a name while open", () => {
    const before = t.nodes_free();
    const blocks = t.blocks_free();
    const fd = t.open("/gone", CREATE);
    memory.fill(t.DATA, 1, 9000);
    expect(t.write(fd, t.DATA, 9000)).toBe(9000);
    expect(t.unlink("/gone")).toBe(0);
    expect(t.stat("/gone")).toBe(-ENOENT);
    expect(t.fstat(fd)).toBe(0);
    expect(t.st_nlink()).toBe(0);
    expect(t.pread(fd, t.DATA, 9000, 0)).toBe(9000);
    expect(t.nodes_free()).toBe(before - 1);
    t.close(fd);
    expect(t.nodes_free()).toBe(before);
    expect(t.blocks_free()).toBe(blocks);
  });
});

describe("holes", () => {
  it("read as zeros and take no blocks", () => {
    const blocks = t.blocks_free();
    const fd = t.open("/sparse", CREATE);
    store<u8>(t.DATA, 7);
    const far: i64 = 3000000000;
    expect(t.pwrite(fd, t.DATA, 1, far)).toBe(1);
    t.fstat(fd);
    expect(t.st_size()).toBe(far + 1);
    expect(t.st_i64(st.STAT_BLOCKS)).toBe(3 * 8, "data and two index blocks");
    memory.fill(t.DATA, 0xff, 8192);
    expect(t.pread(fd, t.DATA, 8192, far - 8191)).toBe(8192);
    expect(load<u8>(t.DATA)).toBe(0);
    expect(load<u8>(t.DATA, 8191)).toBe(7);
    expect(t.ftruncate(fd, 0)).toBe(0);
    expect(t.blocks_free()).toBe(blocks);
    t.close(fd);
  });
  it("appear zeroed where a longer file was cut", () => {
    const fd = t.open("/cut", CREATE);
    memory.fill(t.DATA, 0x55, 20000);
    expect(t.write(fd, t.DATA, 20000)).toBe(20000);
    expect(t.ftruncate(fd, 5000)).toBe(0);
    expect(t.ftruncate(fd, 20000)).toBe(0);
    expect(t.pread(fd, t.DATA, 20000, 0)).toBe(20000);
    expect(load<u8>(t.DATA, 4999)).toBe(0x55);
    for (let i = 5000; i < 20000; i++) assert(load<u8>(t.DATA + i) == 0, "zero");
    t.close(fd);
  });
  it("end at the largest size", () => {
    const most: i64 = (12 + 1024 + 1024 * 1024) * 4096;
    const fd = t.open("/big", CREATE);
    expect(t.ftruncate(fd, most + 1)).toBe(-EFBIG);
    expect(t.ftruncate(fd, -1)).toBe(-EINVAL);
    expect(t.pwrite(fd, t.DATA, 10, most)).toBe(-EFBIG);
    expect(t.pwrite(fd, t.DATA, 10, most - 4)).toBe(4, "short");
    expect(t.ftruncate(fd, most)).toBe(0);
    t.close(fd);
    expect(t.unlink("/big")).toBe(0);
  });
});

describe("fmap", () => {
  it("gives the file's own memory in long runs", () => {
    const fd = t.open("/map", CREATE);
    for (let i = 0; i < 60000; i++) store<u8>(t.DATA + i, <u8>i);
    for (let i = 0; i < 10; i++) expect(t.write(fd, t.DATA, 60000)).toBe(60000);
    let off = 0;
    store<i32>(LEN, 1 << 20);
    expect(t.fmap(fd, 0, LEN) > 0).toBe(true);
    expect(load<i32>(LEN)).toBe(600000, "all of it, index or no index");
    while (true) {
      store<i32>(LEN, 70000);
      const p = t.fmap(fd, off, LEN);
      const n = load<i32>(LEN);
      if (n == 0) {
        expect(p).toBe(0);
        break;
      }
      assert(load<u8>(p) == <u8>(off % 60000), "contents");
      off += n;
    }
    expect(off).toBe(600000);
    store<i32>(LEN, 100);
    expect(t.fmap(fd, 4090, LEN) > 0).toBe(true);
    expect(load<i32>(LEN)).toBe(100, "not more than wanted");
    t.close(fd);
  });
  it("shows zeros for a hole", () => {
    const fd = t.open("/hole", CREATE);
    t.ftruncate(fd, 10000);
    store<i32>(LEN, 10000);
    const p = t.fmap(fd, 8190, LEN);
    expect(load<i32>(LEN)).toBe(2, "to the end of the block");
    expect(load<u16>(p)).toBe(0);
    expect(t.fmap(fd, -1, LEN)).toBe(-EINVAL);
    t.close(fd);
    const dir = t.open("/", 0);
    expect(t.fmap(dir, 0, LEN)).toBe(-EINVAL);
    t.close(dir);
  });
});

describe("directories", () => {
  it("are made, listed and removed", () => {
    expect(t.mkdir("/d")).toBe(0);
    expect(t.mkdir("/d")).toBe(-EEXIST);
    expect(t.mkdir("/d/e/")).toBe(0);
    expect(t.mkdir("/")).toBe(-EEXIST);
    expect(t.mkdir("/d/.")).toBe(-EEXIST);
    expect(t.mkdir("/none/x")).toBe(-ENOENT);
    t.put_file("/d/f", "x");
    expect(t.mkdir("/d/f/x")).toBe(-ENOTDIR);
    expect(t.list_dir("/d")).toBe(". .. e f");
    expect(t.list_dir("/d", 16)).toBe(". .. e f", "one entry at a time");
    expect(t.list_dir("/d", 10)).toBe("error " + EINVAL.toString());
    t.stat("/d");
    expect(t.st_nlink()).toBe(3);
    expect(t.rmdir("/d")).toBe(-ENOTEMPTY);
    expect(t.rmdir("/d/f")).toBe(-ENOTDIR);
    expect(t.rmdir("/d/e/.")).toBe(-EINVAL);
    expect(t.rmdir("/d/e/..")).toBe(-ENOTEMPTY);
    expect(t.rmdir("/")).toBe(-EBUSY);
    expect(t.unlink("/d/e")).toBe(-EPERM);
    expect(t.rmdir("/d/e")).toBe(0);
    t.stat("/d");
    expect(t.st_nlink()).toBe(2);
    expect(t.unlink("/d/f")).toBe(0);
    expect(t.rmdir("/d/")).toBe(0);
    expect(t.rmdir("/d")).toBe(-ENOENT);
  });
  it("list right while they change", () => {
    t.mkdir("/l");
    for (let i = 0; i < 9; i++) t.put_file("/l/" + i.toString(), "");
    const fd = t.open("/l", 0);
    expect(t.getdents(fd, t.DATA, 16 * 7)).toBe(16 * 7);
    t.unlink("/l/1");
    t.unlink("/l/3");
    t.unlink("/l/5");
    t.put_file("/l/9", "");
    expect(t.getdents(fd, t.DATA, 4096)).toBe(16 * 4, "6 to 9, though 5 was next");
    expect(load<u8>(t.DATA, 13)).toBe(54);
    expect(t.getdents(fd, t.DATA, 4096)).toBe(0);
    expect(t.lseek(fd, 0, fc.SEEK_SET)).toBe(0);
    expect(t.getdents(fd, t.DATA, 4096)).toBe(16 * 9);
    t.close(fd);
  });
  it("are empty once removed", () => {
    t.mkdir("/r");
    const fd = t.open("/r", 0);
    expect(t.rmdir("/r")).toBe(0);
    expect(t.getdents(fd, t.DATA, 4096)).toBe(0);
    expect(t.fstat(fd)).toBe(0);
    expect(t.st_nlink()).toBe(0);
    t.close(fd);
  });
  it("hold names up to 255 bytes", () => {
    t.mkdir("/n");
    for (let len = 20; len <= 255; len++) {
      const name = "/n/" + "abcdefghij".repeat(26).substring(0, len);
      assert(t.put_file(name, len.toString()) > 0, "made");
    }
    for (let len = 20; len <= 255; len++) {
      const name = "/n/" + "abcdefghij".repeat(26).substring(0, len);
      assert(t.get_file(name) == len.toString(), "found");
      assert(t.unlink(name) == 0, "removed");
    }
    expect(t.put_file("/n/" + "x".repeat(256), "")).toBe(-ENAMETOOLONG);
    expect(t.list_dir("/n")).toBe(". ..");
    expect(t.rmdir("/n")).toBe(0);
  });
});

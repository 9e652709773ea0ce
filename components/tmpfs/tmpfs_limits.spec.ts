/**
 * tmpfs when it is full: every limit is an errno, nothing is lost, and what is freed serves again.
 */
import { EFBIG, EMLINK, ENOSPC } from "../../kernel/abi/errno";
import * as fc from "../../kernel/abi/fcntl";
import * as sv from "../../kernel/abi/statvfs";
import { FOLLOW, namei, ni_release } from "../../kernel/vfs/namei";
import { vfs_state } from "../../kernel/vfs/mount";
import { TMPFS_BLOCKS, TMPFS_MAXDIRENTS, TMPFS_MAXNODES } from "rump/tunables";
import { TMPFS_LINK_MAX } from "./tmpfs_dir";
import { VTON } from "./tmpfs_node";
import * as t from "./tmpfs_spec_sys";

const ARGS: usize = memory.data(16, 8);
const NAME: usize = memory.data(8);
const CREATE: i32 = fc.O_RDWR | fc.O_CREAT | fc.O_TRUNC;
/** Blocks taken by an address list of a file just over 48 KiB. */
const INDEX: i64 = 1;

beforeAll(() => { t.spec_boot(); });

/** Set the link count of `path` behind the file system's back; the old one. */
function set_nlink(path: string, n: u32): u32 {
  const ni = vfs_state().nd;
  const len = <i32>String.UTF8.encodeUnsafe(changetype<usize>(path), path.length, NAME);
  assert(namei(ni, NAME, len, FOLLOW) == 0, "set_nlink");
  const np = VTON(ni.ni_vp);
  const old = np.n_nlink;
  np.n_nlink = n;
  ni_release(ni);
  return old;
}

describe("blocks", () => {
  it("run out in the middle of a write, which is short", () => {
    const all = t.blocks_free();
    expect(all).toBe(TMPFS_BLOCKS);
    const fd = t.open("/fill", CREATE);
    memory.fill(t.DATA, 0x61, 65536);
    let total: i64 = 0;
    let n = 0;
    while ((n = t.write(fd, t.DATA, 50000)) > 0) total += n;
    expect(n).toBe(-ENOSPC);
    expect(t.blocks_free()).toBe(0);
    t.fstat(fd);
    expect(t.st_size()).toBe(total);
    // The index: one block, the double root, and a leaf for each 1024 beyond.
    const data = total / 4096;
    const leaves = data <= 12 + 1024 ? 0 : 1 + (data - 12 - 1024 + 1023) / 1024;
    expect(data + INDEX + leaves).toBe(all);
    expect(t.put_file("/none", "x")).toBe(-ENOSPC);
    expect(t.get_file("/none")).toBe("", "the name could be made, its first block not");
    expect(t.symlink("l".repeat(100), "/long")).toBe(-ENOSPC);
    expect(t.lstat("/long") < 0).toBe(true);
    expect(t.symlink("short", "/short")).toBe(0, "needs no block");
    expect(t.mkdir("/dir")).toBe(0, "needs none either");
    // What is there can still be overwritten, to the last byte.
    expect(t.pwrite(fd, t.DATA, 10, total - 10)).toBe(10);
    expect(t.pwrite(fd, t.DATA, 10, total - 4)).toBe(4);
    t.close(fd);
    expect(t.unlink("/fill")).toBe(0);
    expect(t.blocks_free()).toBe(all);
    expect(t.put_file("/none", "again")).toBe(5);
    expect(t.get_file("/none")).toBe("again");
    t.unlink("/none");
    t.unlink("/short");
    t.rmdir("/dir");
    expect(t.blocks_free()).toBe(all);
  });
  it("used before come back as zeros", () => {
    const fd = t.open("/z", CREATE);
    memory.fill(t.DATA, 0, 65536);
    // All of the memory was written full of 0x61 above.
    for (let i: i64 = 0; i < 100; i++) {
      store<u8>(t.DATA, 1);
      expect(t.pwrite(fd, t.DATA, 1, i * 4096 + 2000)).toBe(1);
      assert(t.pread(fd, t.DATA, 4096, i * 4096) > 0, "read");
      for (let j = 0; j < 2000; j++) assert(load<u8>(t.DATA + j) == 0, "front");
    }
    t.ftruncate(fd, 100 * 4096);
    for (let i: i64 = 0; i < 100; i++) {
      assert(t.pread(fd, t.DATA, 4096, i * 4096) == 4096, "read");
      for (let j = 2001; j < 4096; j++) assert(load<u8>(t.DATA + j) == 0, "back");
    }
    t.close(fd);
    t.unlink("/z");
  });
  it("are not taken by a write that needs more index than there is", () => {
    t.mkdir("/m");
    store<u32>(ARGS, 0, sv.TMPFS_ARGS_NODES);
    store<u32>(ARGS, 2, sv.TMPFS_ARGS_BLOCKS);
    expect(t.mount("tmpfs", "/m", 0, ARGS)).toBe(0);
    const fd = t.open("/m/f", CREATE);
    const ind2: i64 = (12 + 1024) * 4096;
    expect(t.pwrite(fd, t.DATA, 1, ind2)).toBe(-ENOSPC, "3 blocks wanted");
    expect(t.blocks_free("/m")).toBe(2);
    t.fstat(fd);
    expect(t.st_size()).toBe(0);
    expect(t.pwrite(fd, t.DATA, 1, ind2 - 1)).toBe(1, "2 are enough here");
    expect(t.blocks_free("/m")).toBe(0);
    expect(t.pwrite(fd, t.DATA, 10, ind2 - 5)).toBe(5, "up to what there is");
    expect(t.ftruncate(fd, 12 * 4096)).toBe(0);
    expect(t.blocks_free("/m")).toBe(2);
    expect(t.pwrite(fd, t.DATA, 8192, 0)).toBe(8192);
    t.close(fd);
    expect(t.unmount("/m")).toBe(0);
    t.rmdir("/m");
    expect(t.blocks_free()).toBe(TMPFS_BLOCKS);
  });
  it("of a file beyond the largest size are refused", () => {
    const fd = t.open("/big", CREATE);
    expect(t.pwrite(fd, t.DATA, 1, i64.MAX_VALUE)).toBe(-EFBIG);
    expect(t.pwrite(fd, t.DATA, 1, -1) < 0).toBe(true);
    t.close(fd);
    t.unlink("/big");
    expect(t.blocks_free()).toBe(TMPFS_BLOCKS);
  });
});

describe("nodes", () => {
  it("run out, and come back", () => {
    const all = t.nodes_free();
    expect(all).toBe(TMPFS_MAXNODES - 1);
    expect(t.mkdir("/n")).toBe(0);
    let made = 0;
    while (t.put_file("/n/" + made.toString(), "") == 0) made++;
    expect(<i64>made).toBe(all - 1);
    expect(t.put_file("/n/x", "")).toBe(-ENOSPC);
    expect(t.mkdir("/n/x")).toBe(-ENOSPC);
    expect(t.symlink("y", "/n/x")).toBe(-ENOSPC);
    expect(t.stat("/n/x") < 0).toBe(true);
    expect(t.link("/n/0", "/n/x")).toBe(0, "a name needs no node");
    expect(t.rename("/n/x", "/n/y")).toBe(0);
    expect(t.rename("/n/1", "/n/2")).toBe(0);
    expect(t.nodes_free()).toBe(1);
    expect(t.put_file("/n/1", "once more")).toBe(9);
    for (let i = 0; i < made; i++) assert(t.unlink("/n/" + i.toString()) == 0, "unlink");
    expect(t.unlink("/n/y")).toBe(0);
    expect(t.list_dir("/n")).toBe(". ..");
    expect(t.rmdir("/n")).toBe(0);
    expect(t.nodes_free()).toBe(all);
    expect(t.blocks_free()).toBe(TMPFS_BLOCKS);
  });
});

describe("names", () => {
  it("run out, and come back", () => {
    const nodes = t.nodes_free();
    const long = "/n/" + "n".repeat(245);
    expect(t.mkdir("/n")).toBe(0);
    expect(t.put_file("/f", "kept")).toBe(4);
    let made = 0;
    // Each takes five lines: 27 + 4 × 60 bytes hold 255.
    while (t.link("/f", long + made.toString()) == 0) made++;
    expect(made).toBe((TMPFS_MAXDIRENTS - 2) / 5);
    expect(t.link("/f", long + "x")).toBe(-ENOSPC);
    let small = 0;
    while (t.link("/f", "/n/" + small.toString()) == 0) small++;
    expect(small).toBe((TMPFS_MAXDIRENTS - 2) % 5);
    expect(t.put_file("/g", "")).toBe(-ENOSPC, "no line for the name");
    expect(t.nodes_free()).toBe(nodes - 2, "and the node was given back");
    expect(t.rename("/f", "/" + "w".repeat(28))).toBe(-ENOSPC, "the new name is longer than there is room");
    expect(t.get_file("/f")).toBe("kept");
    expect(t.rename("/f", "/g")).toBe(0, "a name of the same length always fits");
    expect(t.rename(long + "0", "/h")).toBe(0, "and a shorter one gives lines back");
    expect(t.rename("/g", "/" + "w".repeat(200))).toBe(0);
    expect(t.get_file("/" + "w".repeat(200))).toBe("kept");
    for (let i = 1; i < made; i++) assert(t.unlink(long + i.toString()) == 0, "unlink long");
    for (let i = 0; i < small; i++) assert(t.unlink("/n/" + i.toString()) == 0, "unlink short");
    expect(t.unlink("/h")).toBe(0);
    t.stat("/" + "w".repeat(200));
    expect(t.st_nlink()).toBe(1);
    expect(t.unlink("/" + "w".repeat(200))).toBe(0);
    expect(t.rmdir("/n")).toBe(0);
    expect(t.nodes_free()).toBe(nodes);
  });
});

describe("links", () => {
  it("have a largest number", () => {
    t.put_file("/f", "");
    t.mkdir("/d");
    set_nlink("/f", TMPFS_LINK_MAX);
    expect(t.link("/f", "/g")).toBe(-EMLINK);
    set_nlink("/f", 1);
    const n = set_nlink("/d", TMPFS_LINK_MAX);
    expect(t.mkdir("/d/x")).toBe(-EMLINK);
    expect(t.mkdir("/x")).toBe(0);
    expect(t.rename("/x", "/d/x")).toBe(-EMLINK);
    expect(t.put_file("/d/f", "")).toBe(0, "files do not count");
    set_nlink("/d", n);
    expect(t.rename("/x", "/d/x")).toBe(0);
    t.unlink("/d/f");
    t.unlink("/f");
    t.rmdir("/d/x");
    expect(t.rmdir("/d")).toBe(0);
  });
});

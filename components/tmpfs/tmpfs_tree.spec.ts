/**
 * tmpfs by its system calls: links, rename, attributes, mounts.
 */
import {
  EBUSY, EEXIST, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENODEV, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, EPERM, EROFS, EXDEV,
} from "../../kernel/abi/errno";
import * as fc from "../../kernel/abi/fcntl";
import * as st from "../../kernel/abi/stat";
import * as sv from "../../kernel/abi/statvfs";
import { getmicrotime } from "../../kernel/kern/clock";
import * as t from "./tmpfs_spec_sys";

const ARGS: usize = memory.data(32, 8);
const CREATE: i32 = fc.O_RDWR | fc.O_CREAT | fc.O_TRUNC;

beforeAll(() => { t.spec_boot(); });

describe("links", () => {
  it("hard: one file, several names", () => {
    t.put_file("/h1", "same");
    expect(t.link("/h1", "/h2")).toBe(0);
    expect(t.link("/h1", "/h2")).toBe(-EEXIST);
    expect(t.link("/none", "/h3")).toBe(-ENOENT);
    expect(t.link("/", "/h3")).toBe(-EPERM);
    expect(t.link("/h1", "/h3/")).toBe(-ENOENT);
    t.stat("/h2");
    expect(t.st_nlink()).toBe(2);
    expect(t.unlink("/h1")).toBe(0);
    expect(t.get_file("/h2")).toBe("same");
    t.stat("/h2");
    expect(t.st_nlink()).toBe(1);
  });
  it("symbolic: followed, read, removed", () => {
    t.mkdir("/s");
    t.put_file("/s/f", "through");
    expect(t.symlink("s/f", "/s1")).toBe(0);
    expect(t.symlink("s", "/s2")).toBe(0);
    expect(t.symlink("x", "/s2")).toBe(-EEXIST);
    expect(t.symlink("", "/s3")).toBe(-ENOENT);
    expect(t.symlink("y".repeat(1024), "/s3")).toBe(-ENAMETOOLONG);
    expect(t.get_file("/s1")).toBe("through");
    expect(t.get_file("/s2/f")).toBe("through");
    expect(t.readlink("/s1")).toBe("s/f");
    expect(t.readlink("/s")).toBe("error " + EINVAL.toString());
    t.lstat("/s1");
    expect(t.st_mode()).toBe(st.S_IFLNK | 0o777);
    expect(t.st_size()).toBe(3);
    t.stat("/s1");
    expect(t.st_mode()).toBe(st.S_IFREG | 0o644);
    expect(t.open("/s1", fc.O_NOFOLLOW)).toBe(-ELOOP);
    expect(t.unlink("/s2")).toBe(0);
    expect(t.stat("/s")).toBe(0);
  });
  it("symbolic: long targets take a block, and give it back", () => {
    const blocks = t.blocks_free();
    const target = "/t".repeat(400);
    expect(t.symlink(target, "/s4")).toBe(0);
    expect(t.readlink("/s4")).toBe(target);
    expect(t.blocks_free()).toBe(blocks - 1);
    expect(t.unlink("/s4")).toBe(0);
    expect(t.blocks_free()).toBe(blocks);
    expect(t.symlink("z".repeat(56), "/s4")).toBe(0);
    expect(t.readlink("/s4")).toBe("z".repeat(56));
    expect(t.blocks_free()).toBe(blocks);
    t.unlink("/s4");
  });
  it("symbolic: open makes the file that a dangling one names", () => {
    expect(t.symlink("/s/made", "/dangling")).toBe(0);
    expect(t.stat("/dangling")).toBe(-ENOENT);
    expect(t.open("/dangling", fc.O_CREAT | fc.O_EXCL)).toBe(-EEXIST);
    expect(t.put_file("/dangling", "now")).toBe(3);
    expect(t.get_file("/s/made")).toBe("now");
  });
  it("have a limit", () => {
    const fd = t.open("/many", CREATE);
    t.close(fd);
    t.mkdir("/m");
    let made = 1;
    while (t.link("/many", "/m/" + made.toString()) == 0) made++;
    t.stat("/many");
    expect(t.st_nlink()).toBe(made);
    for (let i = 1; i < made; i++) assert(t.unlink("/m/" + i.toString()) == 0, "unlink");
    t.stat("/many");
    expect(t.st_nlink()).toBe(1);
    expect(t.rmdir("/m")).toBe(0);
  });
});

describe("rename", () => {
  it("moves and replaces files", () => {
    t.put_file("/r1", "one");
    t.put_file("/r2", "two");
    const nodes = t.nodes_free();
    expect(t.rename("/r1", "/r2")).toBe(0);
    expect(t.get_file("/r2")).toBe("one");
    expect(t.stat("/r1")).toBe(-ENOENT);
    expect(t.nodes_free()).toBe(nodes + 1);
    expect(t.rename("/r2", "/" + "long".repeat(50))).toBe(0);
    expect(t.rename("/" + "long".repeat(50), "/r1")).toBe(0);
    expect(t.get_file("/r1")).toBe("one");
    expect(t.rename("/r1", "/r1")).toBe(0);
    expect(t.rename("/none", "/r1")).toBe(-ENOENT);
    expect(t.rename("/r1", "/none/x")).toBe(-ENOENT);
    expect(t.rename("/r1", "/r9/")).toBe(-ENOTDIR);
    t.link("/r1", "/r3");
    expect(t.rename("/r1", "/r3")).toBe(0, "two names of one file: nothing happens");
    expect(t.stat("/r1")).toBe(0);
  });
  it("keeps a replaced file for those who have it open", () => {
    t.put_file("/old", "old");
    t.put_file("/new", "new");
    const fd = t.open("/old", fc.O_RDONLY);
    expect(t.rename("/new", "/old")).toBe(0);
    expect(t.read(fd, t.DATA, 10)).toBe(3);
    expect(load<u8>(t.DATA)).toBe(111);
    t.close(fd);
    expect(t.get_file("/old")).toBe("new");
  });
  it("moves directories, with their parent", () => {
    t.mkdir("/p");
    t.mkdir("/q");
    t.mkdir("/p/d");
    t.put_file("/p/d/f", "in d");
    expect(t.rename("/p/d", "/q/e")).toBe(0);
    expect(t.get_file("/q/e/../e/f")).toBe("in d");
    t.stat("/p");
    expect(t.st_nlink()).toBe(2);
    t.stat("/q");
    expect(t.st_nlink()).toBe(3);
    expect(t.rename("/q", "/q/e/x")).toBe(-EINVAL);
    expect(t.rename("/q", "/q/x")).toBe(-EINVAL);
    expect(t.rename("/q/e", "/p")).toBe(0, "over an empty directory");
    expect(t.get_file("/p/f")).toBe("in d");
    t.mkdir("/q/e2");
    expect(t.rename("/q", "/p")).toBe(-ENOTEMPTY);
    expect(t.rename("/p/f", "/q")).toBe(-EISDIR);
    expect(t.rename("/q", "/p/f")).toBe(-ENOTDIR);
    expect(t.rename("/", "/x")).toBe(-EBUSY);
    expect(t.rename("/q/.", "/x")).toBe(-EINVAL);
    expect(t.rename("/q", "/p/..")).toBe(-EINVAL);
    expect(t.rename("/q/", "/q5/")).toBe(0);
    t.stat("/");
    const links = t.st_nlink();
    expect(t.rename("/q5/e2", "/e3")).toBe(0);
    t.stat("/");
    expect(t.st_nlink()).toBe(links + 1);
  });
});

describe("attributes", () => {
  it("mode and times", () => {
    t.put_file("/attr", "x");
    expect(t.chmod("/attr", 0o100600)).toBe(0);
    t.stat("/attr");
    expect(t.st_mode()).toBe(st.S_IFREG | 0o600);
    store<i64>(ARGS, -2);
    store<i64>(ARGS, 500000000, 8);
    store<i64>(ARGS, 1234567890, 16);
    store<i64>(ARGS, 987654321, 24);
    expect(t.utimens("/attr", ARGS)).toBe(0);
    t.stat("/attr");
    expect(t.st_i64(st.STAT_ATIM)).toBe(-2);
    expect(t.st_i64(st.STAT_ATIM + 8)).toBe(500000000);
    expect(t.st_i64(st.STAT_MTIM)).toBe(1234567890);
    expect(t.st_i64(st.STAT_MTIM + 8)).toBe(987654000, "microseconds");
    store<i64>(ARGS, st.UTIME_OMIT, 8);
    store<i64>(ARGS, 1000000000, 24);
    expect(t.utimens("/attr", ARGS)).toBe(-EINVAL);
    store<i64>(ARGS, st.UTIME_NOW, 24);
    expect(t.utimens("/attr", ARGS)).toBe(0);
    t.stat("/attr");
    expect(t.st_i64(st.STAT_ATIM)).toBe(-2);
    expect(t.st_i64(st.STAT_MTIM)).toBe(getmicrotime() / 1000000);
    expect(t.utimens("/attr", 0)).toBe(0);
  });
});

describe("mounts", () => {
  it("hide a directory, cross both ways, and keep their limits", () => {
    t.mkdir("/mnt");
    t.put_file("/mnt/hidden", "h");
    store<u32>(ARGS, 5, sv.TMPFS_ARGS_NODES);
    store<u32>(ARGS, 3, sv.TMPFS_ARGS_BLOCKS);
    store<u32>(ARGS, 0o700, sv.TMPFS_ARGS_MODE);
    expect(t.mount("nofs", "/mnt", 0, 0)).toBe(-ENODEV);
    expect(t.mount("tmpfs", "/mnt/hidden", 0, 0)).toBe(-ENOTDIR);
    expect(t.mount("tmpfs", "/mnt", 0, ARGS)).toBe(0);
    expect(t.mount("tmpfs", "/mnt", 0, 0)).toBe(-EBUSY);
    expect(t.mount("tmpfs", "/", 0, 0)).toBe(-EBUSY);
    expect(t.list_dir("/mnt")).toBe(". ..");
    t.stat("/mnt");
    expect(t.st_mode()).toBe(st.S_IFDIR | 0o700);
    expect(t.stat("/mnt/../attr")).toBe(0);
    expect(t.stat("/mnt/../../attr")).toBe(0);
    t.put_file("/mnt/f", "1");
    expect(t.rename("/mnt/f", "/f")).toBe(-EXDEV);
    expect(t.link("/mnt/f", "/f")).toBe(-EXDEV);
    expect(t.rmdir("/mnt")).toBe(-EBUSY);
    expect(t.rename("/mnt", "/mnt2")).toBe(-EBUSY);
    expect(t.blocks_free("/mnt")).toBe(2);
    expect(t.nodes_free("/mnt")).toBe(3);
    for (let i = 0; i < 3; i++) expect(t.put_file("/mnt/" + i.toString(), "")).toBe(0);
    expect(t.put_file("/mnt/3", "")).toBe(-ENOSPC);
    const fd = t.open("/mnt/f", fc.O_RDWR);
    expect(t.pwrite(fd, t.DATA, 60000, 0)).toBe(3 * 4096);
    expect(t.unmount("/mnt")).toBe(-EBUSY);
    t.close(fd);
    expect(t.unmount("/attr")).toBe(-EINVAL);
    expect(t.unmount("/")).toBe(-EBUSY);
    expect(t.unmount("/mnt")).toBe(0);
    expect(t.get_file("/mnt/hidden")).toBe("h");
  });
  it("may be read-only", () => {
    expect(t.mount("tmpfs", "mnt//", sv.MNT_RDONLY, 0)).toBe(0);
    expect(t.mounted_on("/mnt")).toBe("/mnt");
    expect(t.mounted_on("/")).toBe("/");
    expect(t.open("/mnt/f", CREATE)).toBe(-EROFS);
    expect(t.mkdir("/mnt/d")).toBe(-EROFS);
    expect(t.symlink("x", "/mnt/s")).toBe(-EROFS);
    expect(t.link("/mnt", "/mnt/s")).toBe(-EPERM);
    expect(t.chmod("/mnt", 0)).toBe(-EROFS);
    expect(t.utimens("/mnt", 0)).toBe(-EROFS);
    expect(t.unmount("/mnt")).toBe(0);
  });
});

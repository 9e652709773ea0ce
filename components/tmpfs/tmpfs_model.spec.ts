/**
 * tmpfs against a model: random calls, each compared with what a plain tree of objects answers.
 *
 * Names come from a small alphabet so that they collide; the file system is a mount with few blocks, so
 * that it fills up. A short write or -ENOSPC is believed (the model has no blocks), and everything
 * after it must still agree. At the end all is removed and every node and block must be back. A failure
 * names the seed and the step: put the seed in FIRST and 1 in RUNS to see it alone.
 */
import { EEXIST, EINVAL, EISDIR, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, EPERM } from "../../kernel/abi/errno";
import * as fc from "../../kernel/abi/fcntl";
import * as sv from "../../kernel/abi/statvfs";
import * as t from "./tmpfs_spec_sys";

const FIRST: u32 = 1;
const RUNS: u32 = 24;
const STEPS: i32 = 600;
const BLOCKS: u32 = 60;
const NODES: u32 = 40;
const MAXSIZE: u32 = 150000;
const ARGS: usize = memory.data(16, 8);

const FILE: i32 = 0;
const DIR: i32 = 1;
const LINK: i32 = 2;

/** A file, directory or symbolic link of the model. */
class Obj {
  kids: Map<string, Obj> = new Map();
  data: Uint8Array = new Uint8Array(0);
  links: i32 = 1;
  constructor(public kind: i32, public target: string = "") {}
}

let root = new Obj(DIR);
let rng: u32 = 1;
let where: string = "";

function rand(n: u32): u32 {
  rng ^= rng << 13;
  rng ^= rng >> 17;
  rng ^= rng << 5;
  return rng % n;
}

function check(ok: bool, what: string): void {
  if (!ok) throw new Error(where + ": " + what);
}

function same(got: i32, want: i32, what: string): void {
  check(got == want, what + " answered " + got.toString() + ", the model " + want.toString());
}

// ── the model ────────────────────────────────────────────────────────────────────────────────────

/** A random path of one to three components below the root of the model. */
function somepath(): string {
  let p = "";
  for (let i = rand(3) + 1; i > 0; i--) {
    p += "/" + (rand(8) == 0 ? "a-name-that-needs-a-second-line-" : "") + String.fromCharCode(97 + rand(4));
  }
  return p;
}

/** The directory part of `p`; null and the errno in `walk_errno` if it is not one. */
let walk_errno: i32 = 0;
function parent(p: string): Obj | null {
  const parts = p.split("/");
  let at = root;
  for (let i = 1; i < parts.length - 1; i++) {
    if (!at.kids.has(parts[i])) {
      walk_errno = -ENOENT;
      return null;
    }
    at = at.kids.get(parts[i]);
    if (at.kind != DIR) {
      walk_errno = at.kind == LINK ? -ENOENT : -ENOTDIR;
      return null;
    }
  }
  return at;
}

function base(p: string): string {
  return p.substring(p.lastIndexOf("/") + 1);
}

function find(dir: Obj, name: string): Obj | null {
  return dir.kids.has(name) ? dir.kids.get(name) : null;
}

/** What is at `p`; null and the errno in `walk_errno` if there is nothing. */
function lookup(p: string): Obj | null {
  const d = parent(p);
  if (d === null) return null;
  walk_errno = -ENOENT;
  return find(d, base(p));
}

function inside(dir: Obj, what: Obj): bool {
  if (dir === what) return true;
  const kids = what.kids.values();
  for (let i = 0; i < kids.length; i++) if (kids[i].kind == DIR && inside(dir, kids[i])) return true;
  return false;
}

/** Answer of making an entry at `p`; enters `o` if `really` is 0, else expects that errno. */
function model_make(p: string, o: Obj, really: i32): i32 {
  const d = parent(p);
  if (d === null) return walk_errno;
  if (d.kids.has(base(p))) return -EEXIST;
  if (really == -ENOSPC) return -ENOSPC;
  d.kids.set(base(p), o);
  return 0;
}

function model_rename(p: string, q: string, really: i32): i32 {
  const d = parent(p);
  if (d === null) return walk_errno;
  const o = find(d, base(p));
  if (o === null) return -ENOENT;
  const e = parent(q);
  if (e === null) return walk_errno;
  const r = find(e, base(q));
  if (r !== null) {
    if (r === o) return 0;
    if (o.kind == DIR && r.kind != DIR) return -ENOTDIR;
    if (o.kind != DIR && r.kind == DIR) return -EISDIR;
  }
  if (o.kind == DIR && inside(e, o)) return -EINVAL;
  if (r !== null && r.kids.size > 0) return -ENOTEMPTY;
  if (really == -ENOSPC) return -ENOSPC;
  d.kids.delete(base(p));
  e.kids.set(base(q), o);
  if (r !== null) r.links--;
  return 0;
}

// ── steps ────────────────────────────────────────────────────────────────────────────────────────

const MNT: string = "/mnt";

function step_make(p: string): void {
  const kind = rand(4);
  if (kind == 0) {
    const e = t.mkdir(MNT + p);
    same(e, model_make(p, new Obj(DIR), e), "mkdir " + p);
  } else if (kind == 1) {
    const target = "nowhere/" + "t".repeat(rand(100));
    const e = t.symlink(target, MNT + p);
    same(e, model_make(p, new Obj(LINK, target), e), "symlink " + p);
  } else {
    const fd = t.open(MNT + p, fc.O_CREAT | fc.O_EXCL | fc.O_WRONLY);
    const e = min(fd, 0);
    same(e, model_make(p, new Obj(FILE), e), "create " + p);
    if (fd >= 0) t.close(fd);
  }
}

function step_remove(p: string): void {
  const o = lookup(p);
  const dir = rand(2) == 0;
  let want = walk_errno;
  if (o !== null && dir) want = o.kind != DIR ? -ENOTDIR : o.kids.size > 0 ? -ENOTEMPTY : 0;
  if (o !== null && !dir) want = o.kind == DIR ? -EPERM : 0;
  same(dir ? t.rmdir(MNT + p) : t.unlink(MNT + p), want, (dir ? "rmdir " : "unlink ") + p);
  if (o === null || want != 0) return;
  const d = parent(p);
  if (d !== null) d.kids.delete(base(p));
  o.links--;
}

function step_link(p: string, q: string): void {
  const e = t.link(MNT + p, MNT + q);
  const o = lookup(p);
  if (o === null) return same(e, walk_errno, "link " + p);
  if (o.kind == DIR) return same(e, -EPERM, "link " + p);
  const want = model_make(q, o, e);
  same(e, want, "link " + p + " " + q);
  if (want == 0) o.links++;
}

/** The file at `p`, or null after checking that open answers the right errno. */
function openfile(p: string, flags: i32): Obj | null {
  const o = lookup(p);
  let want = walk_errno;
  if (o !== null) {
    if (o.kind == FILE) return o;
    want = o.kind == LINK ? -ENOENT : -EISDIR;
  }
  same(t.open(MNT + p, flags), want, "open " + p);
  return null;
}

function resize(o: Obj, size: i32): void {
  if (size == o.data.length) return;
  const bigger = new Uint8Array(size);
  bigger.set(size < o.data.length ? o.data.subarray(0, size) : o.data);
  o.data = bigger;
}

function step_write(p: string): void {
  const o = openfile(p, fc.O_WRONLY);
  if (o === null) return;
  const fd = t.open(MNT + p, fc.O_RDWR);
  const off = rand(MAXSIZE);
  const len = <i32>(rand(3) == 0 ? rand(20000) + 1 : rand(300) + 1);
  for (let i = 0; i < len; i++) store<u8>(t.DATA + i, <u8>rand(256));
  const n = t.pwrite(fd, t.DATA, len, off);
  check(n == -ENOSPC || (n > 0 && n <= len), "pwrite answered " + n.toString());
  if (n > 0) {
    if (<i32>off + n > o.data.length) resize(o, off + n);
    for (let i = 0; i < n; i++) o.data[off + i] = load<u8>(t.DATA + i);
  }
  if (rand(4) == 0) {
    const size = <i32>rand(MAXSIZE);
    same(t.ftruncate(fd, size), 0, "ftruncate");
    resize(o, size);
  }
  t.close(fd);
}

function compare(p: string, o: Obj): void {
  const fd = t.open(MNT + p, fc.O_RDONLY);
  check(fd >= 0, "open " + p);
  t.fstat(fd);
  check(t.st_size() == o.data.length, "size of " + p);
  same(t.st_nlink(), o.links, "links of " + p);
  let off = 0;
  while (true) {
    const n = t.pread(fd, t.DATA, 50000, off);
    check(n >= 0, "pread");
    if (n == 0) break;
    check(memory.compare(t.DATA, o.data.dataStart + off, n) == 0, "contents of " + p);
    off += n;
  }
  same(off, o.data.length, "bytes of " + p);
  t.close(fd);
}

/** The whole tree agrees. */
function compare_tree(p: string, o: Obj): void {
  if (o.kind == FILE) return compare(p, o);
  if (o.kind == LINK) return check(t.readlink(MNT + p) == o.target, "target of " + p);
  const names = t.list_dir(MNT + p, 64).split(" ");
  same(names.length - 2, o.kids.size, "entries of " + p);
  for (let i = 0; i < names.length; i++) {
    if (names[i] != "." && names[i] != "..") check(o.kids.has(names[i]), "entry " + names[i] + " of " + p);
  }
  let dirs = 2;
  const keys = o.kids.keys();
  for (let i = 0; i < keys.length; i++) {
    const kid = o.kids.get(keys[i]);
    if (kid.kind == DIR) dirs++;
    compare_tree(p + "/" + keys[i], kid);
  }
  t.stat(MNT + p);
  same(t.st_nlink(), dirs, "links of directory " + p);
}

function remove_tree(p: string, o: Obj): void {
  const keys = o.kids.keys();
  for (let i = 0; i < keys.length; i++) remove_tree(p + "/" + keys[i], o.kids.get(keys[i]));
  if (p == "") return;
  same(o.kind == DIR ? t.rmdir(MNT + p) : t.unlink(MNT + p), 0, "removing " + p);
}

function step(): void {
  const p = somepath();
  const what = rand(10);
  if (what < 3) step_make(p);
  else if (what == 3) step_remove(p);
  else if (what == 4) step_link(p, somepath());
  else if (what == 5) {
    const q = somepath();
    const e = t.rename(MNT + p, MNT + q);
    same(e, model_rename(p, q, e), "rename " + p + " " + q);
  } else if (what < 9) step_write(p);
  else {
    const o = openfile(p, fc.O_WRONLY);
    if (o !== null) compare(p, o);
  }
}

function run(seed: u32): void {
  rng = seed * 2654435761;
  root = new Obj(DIR);
  store<u32>(ARGS, NODES, sv.TMPFS_ARGS_NODES);
  store<u32>(ARGS, BLOCKS, sv.TMPFS_ARGS_BLOCKS);
  same(t.mount("tmpfs", MNT, 0, ARGS), 0, "mount");
  for (let i = 0; i < STEPS; i++) {
    where = "seed " + seed.toString() + " step " + i.toString();
    step();
    if (i % 100 == 99) compare_tree("", root);
  }
  if (seed % 2 == 0) {
    remove_tree("", root);
    check(t.blocks_free(MNT) == BLOCKS, "all blocks are back");
    check(t.nodes_free(MNT) == NODES - 1, "all nodes are back");
  }
  same(t.unmount(MNT), 0, "unmount");
}

describe("tmpfs and the model", () => {
  it("agree on random calls", () => {
    t.spec_boot();
    t.mkdir(MNT);
    const nodes = t.nodes_free();
    const blocks = t.blocks_free();
    for (let seed = FIRST; seed < FIRST + RUNS; seed++) run(seed);
    expect(t.nodes_free()).toBe(nodes);
    expect(t.blocks_free()).toBe(blocks);
  });
});

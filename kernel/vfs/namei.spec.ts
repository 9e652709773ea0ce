/**
 * namei over a file system made for it: a fixed tree, one node a line, that counts references.
 */
import { EBUSY, EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from "../abi/errno";
import { kern_boot_services } from "../kern/init";
import { kmem_boot, kobj } from "../kern/kmem";
import { Pool, pool_getz, pool_init_obj } from "../kern/pool";
import { Filesystem, Mount, vfs_attach, vfs_init, vfs_mount, vfs_state, vfs_unmount } from "./mount";
import {
  FOLLOW, LAST_DOT, LAST_DOTDOT, LAST_NORMAL, LAST_ROOT, Nameidata, WANTPARENT, namei, ni_release,
} from "./namei";
import { VDIR, VLNK, VREG, VROOT, Vattr, Vnode, vn_isnull, vref, vrele } from "./vnode";

const NNODES: u32 = 64;
const PATH: usize = memory.data(4096);

/** Held here because nodes are no objects of the spec's heap: it would collect what only they know. */
const LONG: string = "x/".repeat(400);

let pool: Pool = changetype<Pool>(0);

/** A node: its name and, of a link, its target are literals. */
class SpecNode extends Vnode {
  id: i32;
  name: string = "";
  target: string = "";
  up: SpecNode = changetype<SpecNode>(0);
  /** How often the last reference went. */
  idle: i32;

  vop_lookup(name: usize, len: i32): i32 {
    for (let i: u32 = 0; i < pool.pr_nout; i++) {
      const n = node(i);
      if (n.up == this && n != this && n.v_mount == this.v_mount && equal(n.name, name, len)) {
        vref(n);
        return <i32>changetype<usize>(n);
      }
    }
    return -ENOENT;
  }
  vop_parent(): i32 {
    vref(this.up);
    return <i32>changetype<usize>(this.up);
  }
  vop_readlink(buf: usize, len: i32): i32 {
    return min(len, <i32>String.UTF8.encodeUnsafe(changetype<usize>(this.target), this.target.length, buf));
  }
  vop_getattr(va: Vattr): i32 {
    return -EINVAL;
  }
  vop_inactive(): void {
    this.idle++;
  }
}

function equal(s: string, at: usize, len: i32): bool {
  if (s.length != len) return false;
  for (let i = 0; i < len; i++) if (<u8>s.charCodeAt(i) != load<u8>(at + i)) return false;
  return true;
}

function node(i: u32): SpecNode {
  return changetype<SpecNode>(pool.pr_base + <usize>i * pool.pr_size + pool.pr_hdr);
}

class SpecFs extends Filesystem {
  fs_name(): string {
    return "specfs";
  }
  fs_mount(mp: Mount, args: usize): i32 {
    const root = add(mp, changetype<SpecNode>(0), VDIR, "", "");
    root.up = root;
    root.v_flag = VROOT;
    mp.mnt_data = changetype<usize>(root);
    return 0;
  }
  fs_unmount(mp: Mount): i32 {
    return 0;
  }
  fs_root(mp: Mount): Vnode {
    const root = changetype<SpecNode>(mp.mnt_data);
    vref(root);
    return root;
  }
  fs_statvfs(mp: Mount, buf: usize): i32 {
    return 0;
  }
}

function add(mp: Mount, up: SpecNode, type: i32, name: string, target: string): SpecNode {
  const n = changetype<SpecNode>(pool_getz(pool));
  n.id = pool.pr_nout - 1;
  n.v_type = type;
  n.v_mount = mp;
  n.up = up;
  n.name = name;
  n.target = target;
  return n;
}

function put(path: string): i32 {
  return <i32>String.UTF8.encodeUnsafe(changetype<usize>(path), path.length, PATH);
}

/** What `path` leads to: the node's id, or -errno. Checks that everything is given back. */
function walk(path: string, flags: i32 = FOLLOW): i32 {
  const ni = vfs_state().nd;
  const e = namei(ni, PATH, put(path), flags);
  if (e < 0) {
    assert(idle(), "nothing is held after an error");
    return e;
  }
  const id = vn_isnull(ni.ni_vp) ? 0 : changetype<SpecNode>(changetype<usize>(ni.ni_vp)).id;
  ni_release(ni);
  assert(idle(), "nothing is held after the release");
  return id;
}

/** Is no vnode in use, but for what mounts cover? */
function idle(): bool {
  for (let i: u32 = 0; i < pool.pr_nout; i++) {
    const n = node(i);
    const covered = changetype<usize>(n.v_mountedhere) != 0 ? 1 : 0;
    if (n.v_usecount != covered) return false;
  }
  return true;
}

//  0 /   1 /a   2 /a/b   3 /a/b/f   4 /a/up → ../a/b   5 /abs → /a/b   6 /dir → a/   7 /loop → loop
//  8 /file  9 /dangling → none  10 /tolink → abs  11 /long → "x/" × 400  12 /slash → /
const A: i32 = 1;
const B: i32 = 2;
const F: i32 = 3;

beforeAll(() => {
  heap.free(heap.alloc(16));
  const page = memory.grow(64);
  kmem_boot(<usize>page << 16, <usize>(page + 64) << 16);
  assert(kern_boot_services() == 0, "boot");
  pool = pool_init_obj<SpecNode>("spec", NNODES);
  vfs_init();
  assert(vfs_attach(kobj<SpecFs>("specfs")) == 0, "attach");
  const mp = vfs_state().root;
  const root = node(0);
  const a = add(mp, root, VDIR, "a", "");
  const b = add(mp, a, VDIR, "b", "");
  add(mp, b, VREG, "f", "");
  add(mp, a, VLNK, "up", "../a/b");
  add(mp, root, VLNK, "abs", "/a/b");
  add(mp, root, VLNK, "dir", "a/");
  add(mp, root, VLNK, "loop", "loop");
  add(mp, root, VREG, "file", "");
  add(mp, root, VLNK, "dangling", "none");
  add(mp, root, VLNK, "tolink", "abs");
  add(mp, root, VLNK, "long", LONG);
  add(mp, root, VLNK, "slash", "/");
});

describe("a path", () => {
  it("leads from the root, whatever its slashes", () => {
    expect(walk("/")).toBe(0);
    expect(walk("///")).toBe(0);
    expect(walk("/a/b/f")).toBe(F);
    expect(walk("a/b/f")).toBe(F);
    expect(walk("//a///b//f")).toBe(F);
    expect(walk("/a/./b/../b/./f")).toBe(F);
    expect(walk("/..")).toBe(0);
    expect(walk("../../a")).toBe(A);
    expect(walk("/a/b/..")).toBe(A);
  });
  it("may end with a slash if it is a directory", () => {
    expect(walk("/a/b/")).toBe(B);
    expect(walk("/a/b/f/")).toBe(-ENOTDIR);
    expect(walk("/a/b/f/.")).toBe(-ENOTDIR);
    expect(walk("/file/..")).toBe(-ENOTDIR);
  });
  it("that leads nowhere is an errno", () => {
    expect(walk("")).toBe(-ENOENT);
    expect(walk("/none")).toBe(-ENOENT);
    expect(walk("/none/x")).toBe(-ENOENT);
    expect(walk("/file/x")).toBe(-ENOTDIR);
    expect(walk("/a\0b")).toBe(-EINVAL);
    const ni = vfs_state().nd;
    expect(namei(ni, <usize>memory.size() << 16, 1, 0)).toBe(-EFAULT);
    expect(namei(ni, PATH, -1, 0)).toBe(-EFAULT);
  });
  it("has limits", () => {
    expect(walk("x".repeat(255))).toBe(-ENOENT);
    expect(walk("x".repeat(256))).toBe(-ENAMETOOLONG);
    expect(walk("x".repeat(256) + "/y", WANTPARENT)).toBe(-ENAMETOOLONG);
    expect(walk("/".repeat(1023))).toBe(0);
    expect(walk("/".repeat(1024))).toBe(-ENAMETOOLONG);
  });
});

describe("a symbolic link", () => {
  it("is followed on the way, and at the end if asked", () => {
    expect(walk("/abs/f")).toBe(F);
    expect(walk("/a/up/f")).toBe(F);
    expect(walk("/a/up")).toBe(B);
    expect(walk("/a/up", 0)).toBe(4);
    expect(walk("/tolink")).toBe(B);
    expect(walk("/dir/b")).toBe(B);
    expect(walk("/slash")).toBe(0);
    expect(walk("/slash/a")).toBe(A);
    expect(walk("/dangling")).toBe(-ENOENT);
    expect(walk("/dangling", 0)).toBe(9);
  });
  it("is followed under a slash at the end", () => {
    expect(walk("/abs/", 0)).toBe(B);
    expect(walk("/dir/", 0)).toBe(A);
    expect(walk("/dangling/", 0)).toBe(-ENOENT);
    expect(walk("/slash/", 0)).toBe(0);
  });
  it("may not loop, nor outgrow the path", () => {
    expect(walk("/loop")).toBe(-ELOOP);
    expect(walk("/loop", 0)).toBe(7);
    expect(walk("/long/y")).toBe(-ENOENT);
    expect(walk("/long/" + "y/".repeat(111))).toBe(-ENOENT, "1023 bytes");
    expect(walk("/long/" + "y/".repeat(112))).toBe(-ENAMETOOLONG, "1025 bytes");
    expect(walk("/slash".repeat(32) + "/a")).toBe(A);
    expect(walk("/slash".repeat(33) + "/a")).toBe(-ELOOP);
  });
});

function parent_of(path: string, flags: i32 = 0): Nameidata {
  const ni = vfs_state().nd;
  expect(namei(ni, PATH, put(path), flags | WANTPARENT)).toBe(0, path);
  return ni;
}

function parent_id(ni: Nameidata): i32 {
  return vn_isnull(ni.ni_dvp) ? -1 : changetype<SpecNode>(changetype<usize>(ni.ni_dvp)).id;
}

describe("the parent", () => {
  it("comes with the last name, there or not", () => {
    let ni = parent_of("/a/b/f");
    expect(parent_id(ni)).toBe(B);
    expect(ni.ni_namelen).toBe(1);
    expect(load<u8>(ni.ni_name)).toBe(102);
    expect(ni.ni_last).toBe(LAST_NORMAL);
    ni_release(ni);
    ni = parent_of("/a/new/");
    expect(parent_id(ni)).toBe(A);
    expect(vn_isnull(ni.ni_vp)).toBe(true);
    expect(ni.ni_slash).toBe(true);
    expect(ni.ni_namelen).toBe(3);
    ni_release(ni);
    expect(idle()).toBe(true);
    expect(walk("/none/new", WANTPARENT)).toBe(-ENOENT);
    expect(walk("/file/new", WANTPARENT)).toBe(-ENOTDIR);
  });
  it("of a dangling link is where its target would be", () => {
    const ni = parent_of("/dangling", FOLLOW);
    expect(parent_id(ni)).toBe(0);
    expect(equal("none", ni.ni_name, ni.ni_namelen)).toBe(true);
    ni_release(ni);
    expect(idle()).toBe(true);
  });
  it("is not there for what is no entry of it", () => {
    const paths = ["/", "/a/.", "/a/b/..", "/slash/"];
    const kinds = [LAST_ROOT, LAST_DOT, LAST_DOTDOT, LAST_ROOT];
    for (let i = 0; i < paths.length; i++) {
      const ni = parent_of(paths[i]);
      expect(ni.ni_last).toBe(kinds[i], paths[i]);
      expect(parent_id(ni)).toBe(-1);
      expect(vn_isnull(ni.ni_vp)).toBe(false);
      ni_release(ni);
    }
    expect(idle()).toBe(true);
  });
});

function mount_on(id: i32): i32 {
  return vfs_mount(PATH, put("specfs"), node(id), PATH, 4, 0, 0);
}

// A node on the stack of a function that allocates is seen by the collector, which does not know it:
// so the tests deal in ids, and these in nodes.

function add_dir(mp: Mount, up: i32, name: string): i32 {
  return add(mp, node(up), VDIR, name, "").id;
}

function hold(id: i32): void {
  vref(node(id));
}

function let_go(id: i32): void {
  vrele(node(id));
}

/** Id of the root of `mp`. */
function top_of(mp: Mount): i32 {
  return changetype<SpecNode>(mp.mnt_data).id;
}

describe("a mount point", () => {
  it("is crossed down and up, also twice over", () => {
    const vfs = vfs_state();
    expect(mount_on(B)).toBe(0);
    const outer = vfs.mounts;
    const m = top_of(outer);
    expect(walk("/a/b")).toBe(m);
    expect(walk("/a/b/f")).toBe(-ENOENT, "covered");
    expect(walk("/abs/..")).toBe(A);
    const sub = add_dir(outer, m, "sub");
    expect(mount_on(sub)).toBe(0);
    const inner = top_of(vfs.mounts);
    expect(walk("/a/b/sub")).toBe(inner);
    expect(walk("/a/b/sub/..")).toBe(m);
    expect(walk("/a/b/sub/../..")).toBe(A);
    const ni = parent_of("/a/b/sub");
    expect(parent_id(ni)).toBe(m);
    ni_release(ni);
    expect(vfs_unmount(outer)).toBe(-EBUSY, "something is mounted in it");
    expect(vfs_unmount(vfs.mounts)).toBe(0);
    hold(m);
    expect(vfs_unmount(outer)).toBe(-EBUSY, "in use");
    let_go(m);
    expect(vfs_unmount(outer)).toBe(0);
    expect(walk("/a/b/f")).toBe(F);
    expect(vfs.nmounts).toBe(1);
  });
});

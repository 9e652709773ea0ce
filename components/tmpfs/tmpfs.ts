/**
 * tmpfs: a complete file system in the image's own memory. Role "fs".
 *
 *      tmpfs.ts         the kind: mount, unmount, statvfs
 *      tmpfs_mount.ts   a mount: its nodes, its limits
 *      tmpfs_node.ts    inode and vnode in one; the vnode operations
 *      tmpfs_dir.ts     make, link, remove, rename, list
 *      tmpfs_file.ts    contents: read, write, cut, holes, addresses for sendfile
 *      tmpfs_dirent.ts  names: 64-byte lines behind a keyed hash
 *      tmpfs_bmap.ts    from offset to block
 *      tmpfs_block.ts   4 KiB blocks and their bitmap
 *
 * Everything comes from pools carved at boot (TMPFS_MAXNODES files, TMPFS_MAXDIRENTS lines of names,
 * TMPFS_BLOCKS blocks) and is touched only as it is used. What runs out is ENOSPC, and what an operation
 * had begun is undone. Freed space is used again at once, lowest first.
 */
import { EFAULT, ENOSPC } from "../../kernel/abi/errno";
import { NAME_MAX } from "../../kernel/abi/fcntl";
import { ALLPERMS } from "../../kernel/abi/stat";
import * as sv from "../../kernel/abi/statvfs";
import { kobj } from "../../kernel/kern/kmem";
import { useracc } from "../../kernel/kern/kstring";
import { Filesystem, Mount, vfs_attach } from "../../kernel/vfs/mount";
import { VDIR, VROOT, Vnode, vref, vrele } from "../../kernel/vfs/vnode";
import { BLK_SIZE, blk_init } from "./tmpfs_block";
import { dirent_init, dirent_isnull, dirent_remove } from "./tmpfs_dirent";
import { tmpfs_release } from "./tmpfs_file";
import {
  tmpfs_blocks_avail, tmpfs_mount_alloc, tmpfs_mount_free, tmpfs_mount_init, tmpfs_mount_of, tmpfs_node_alloc,
  tmpfs_node_free, tmpfs_nodes_avail,
} from "./tmpfs_mount";
import { TmpfsNode } from "./tmpfs_node";

export class Tmpfs extends Filesystem {
  fs_name(): string {
    return "tmpfs";
  }

  /** `args`: TMPFS_ARGS_* of abi/statvfs.ts. */
  fs_mount(mp: Mount, args: usize): i32 {
    if (args != 0 && !useracc(args, sv.TMPFS_ARGS_SIZEOF)) return -EFAULT;
    const maxnodes = args == 0 ? 0 : load<u32>(args, sv.TMPFS_ARGS_NODES);
    const maxblocks = args == 0 ? 0 : load<u32>(args, sv.TMPFS_ARGS_BLOCKS);
    const mode = args == 0 ? 0 : load<i32>(args, sv.TMPFS_ARGS_MODE) & ALLPERMS;
    const tm = tmpfs_mount_alloc(maxnodes, maxblocks);
    if (changetype<usize>(tm) == 0) return -ENOSPC;
    mp.mnt_data = changetype<usize>(tm);
    const root = tmpfs_node_alloc(mp, VDIR, mode == 0 ? 0o755 : mode);
    if (changetype<usize>(root) == 0) {
      tmpfs_mount_free(tm);
      return -ENOSPC;
    }
    root.n_nlink = 2;
    root.v_flag = VROOT;
    root.dir().parent = changetype<usize>(root);
    tm.root = root;
    vrele(root);
    return 0;
  }

  fs_unmount(mp: Mount): i32 {
    const tm = tmpfs_mount_of(mp);
    while (changetype<usize>(tm.nodes) != 0) {
      const np = tm.nodes;
      assert(np.v_usecount == 0, "tmpfs: unmounted in use");
      if (np.v_type == VDIR) {
        const list = np.dir();
        while (!dirent_isnull(list.first)) dirent_remove(list, list.first);
      }
      tmpfs_release(np);
      np.n_nlink = 0;
      tmpfs_node_free(np);
    }
    tmpfs_mount_free(tm);
    return 0;
  }

  fs_root(mp: Mount): Vnode {
    const root: TmpfsNode = tmpfs_mount_of(mp).root;
    vref(root);
    return root;
  }

  fs_statvfs(mp: Mount, buf: usize): i32 {
    const tm = tmpfs_mount_of(mp);
    store<i32>(buf, BLK_SIZE, sv.STATVFS_BSIZE);
    store<i32>(buf, BLK_SIZE, sv.STATVFS_FRSIZE);
    store<i32>(buf, NAME_MAX, sv.STATVFS_NAMEMAX);
    store<u64>(buf, tm.maxblocks, sv.STATVFS_BLOCKS);
    store<u64>(buf, tmpfs_blocks_avail(tm), sv.STATVFS_BFREE);
    store<u64>(buf, tm.maxnodes, sv.STATVFS_FILES);
    store<u64>(buf, tmpfs_nodes_avail(tm), sv.STATVFS_FFREE);
    return 0;
  }
}

/** Boot phase VFS: pools, the kind, and (if it is the first) the root. */
export function tmpfs_attach(): i32 {
  blk_init();
  dirent_init();
  tmpfs_mount_init();
  return vfs_attach(kobj<Tmpfs>("tmpfs"));
}

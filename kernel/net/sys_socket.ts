/**
 * Sockets as files: read, write, ioctl, close, and the three kqueue filters.
 *
 *      fd ─▶ SocketFile ──f_so──▶ Socket          knotes hang on so_rcv (READ, EXCEPT) and so_snd (WRITE)
 *
 * EVFILT_READ is ready at SO_RCVLOWAT bytes (NOTE_LOWAT: at data), at a connection to accept, at the
 * end (EV_EOF, fflags = so_error) and at an error; data = bytes, or connections. EVFILT_WRITE is ready
 * at SO_SNDLOWAT bytes of room once connected, and at the end or an error; data = room. EVFILT_EXCEPT is
 * ready while urgent data is announced or unread; data = bytes before its last one, -1 while that is on its way.
 */
import { EINVAL, EFAULT } from "../abi/errno";
import { EV_EOF, EVFILT_EXCEPT, EVFILT_READ, EVFILT_WRITE, NOTE_LOWAT, NOTE_OOB } from "../abi/event";
import { O_NONBLOCK } from "../abi/fcntl";
import { FIONBIO } from "../abi/filio";
import { SO_ACCEPTCONN } from "../abi/socket";
import { S_IFSOCK, STAT_BLKSIZE, STAT_MODE, STAT_SIZEOF, STAT_SIZE } from "../abi/stat";
import { NET_MAXSOCKETS } from "rump/tunables";
import { DTYPE_SOCKET, FREAD, FWRITE, File, fd_alloc, fd_getfile } from "../kern/file";
import { Knote, klist_insert, klist_remove } from "../kern/knote";
import { useracc } from "../kern/kstring";
import { pool_getz, pool_init_obj, pool_put } from "../kern/pool";
import { EBADF, ENOBUFS, ENOTSOCK } from "../abi/errno";
import { Msg, msg_init, msg_initv } from "./msg";
import { PR_CONNREQUIRED } from "./protosw";
import { SS_CANTRCVMORE, SS_CANTSENDMORE, SS_ISCONNECTED, SS_MBWAIT, SS_OOBPEND, SS_RCVATMARK, Socket, sost } from "./socket";
import { Sockbuf } from "./sockbuf";
import { soclose } from "./uipc_close";
import { soioctl } from "./uipc_sockopt";

export class SocketFile extends File {
  f_so: Socket;

  fo_read(buf: usize, len: i32): i32 {
    const msg = changetype<Msg>(sost.so_msg);
    msg_init(msg, buf, len);
    return this.f_so.so_proto.pr_soreceive(this.f_so, msg, 0);
  }
  fo_write(buf: usize, len: i32): i32 {
    const msg = changetype<Msg>(sost.so_msg);
    msg_init(msg, buf, len);
    return this.f_so.so_proto.pr_sosend(this.f_so, msg, 0);
  }
  fo_readv(iov: usize, iovcnt: i32): i32 {
    const msg = changetype<Msg>(sost.so_msg);
    const e = msg_initv(msg, iov, iovcnt);
    return e < 0 ? e : this.f_so.so_proto.pr_soreceive(this.f_so, msg, 0);
  }
  fo_writev(iov: usize, iovcnt: i32): i32 {
    const msg = changetype<Msg>(sost.so_msg);
    const e = msg_initv(msg, iov, iovcnt);
    return e < 0 ? e : this.f_so.so_proto.pr_sosend(this.f_so, msg, 0);
  }
  fo_close(): i32 {
    const so = this.f_so;
    pool_put(sost.so_filepool, changetype<usize>(this));
    return soclose(so);
  }
  fo_ioctl(cmd: i32, data: usize): i32 {
    if (!useracc(data, 4)) return -EFAULT;
    if (cmd == FIONBIO) this.f_flag = load<i32>(data) != 0 ? this.f_flag | O_NONBLOCK : this.f_flag & ~O_NONBLOCK;
    return soioctl(this.f_so, cmd, data);
  }
  fo_stat(st: usize): i32 {
    if (!useracc(st, STAT_SIZEOF)) return -EFAULT;
    memory.fill(st, 0, STAT_SIZEOF);
    store<u32>(st, S_IFSOCK | 0o666, STAT_MODE);
    store<u64>(st, this.f_so.so_rcv.sb_cc, STAT_SIZE);
    store<u32>(st, this.f_so.so_snd.sb_hiwat, STAT_BLKSIZE);
    return 0;
  }
  fo_kqfilter(kn: Knote): i32 {
    const so = this.f_so;
    if (kn.kn_filter == EVFILT_READ || kn.kn_filter == EVFILT_EXCEPT) klist_insert(sb_klist(so.so_rcv), kn);
    else if (kn.kn_filter == EVFILT_WRITE) klist_insert(sb_klist(so.so_snd), kn);
    else return -EINVAL;
    return 0;
  }
  fo_kqdetach(kn: Knote): void {
    klist_remove(kn);
  }
  fo_kqevent(kn: Knote, hint: i32): bool {
    kn.kn_flags &= ~EV_EOF;
    kn.kn_fflags = 0;
    if (kn.kn_filter == EVFILT_EXCEPT) return filt_soexcept(this.f_so, kn);
    return kn.kn_filter == EVFILT_READ ? filt_soread(this.f_so, kn) : filt_sowrite(this.f_so, kn);
  }
}

function sb_klist(sb: Sockbuf): usize {
  return changetype<usize>(sb) + offsetof<Sockbuf>("sb_klist");
}

function filt_soread(so: Socket, kn: Knote): bool {
  kn.kn_data = so.so_proto.pr_soavail(so);
  if (so.so_state & SS_CANTRCVMORE) {
    kn.kn_flags |= EV_EOF;
    kn.kn_fflags = so.so_error;
    return true;
  }
  if (so.so_error != 0) return true;
  if ((kn.kn_sfflags & NOTE_LOWAT) != 0 && (so.so_options & SO_ACCEPTCONN) == 0) return kn.kn_data >= kn.kn_sdata;
  return so.so_proto.pr_soreadable(so);
}

/** RFC 9293 §3.8.5 MUST-32: urgent data was announced, or its mark is still to be passed by the reader. */
function filt_soexcept(so: Socket, kn: Knote): bool {
  const pending = (so.so_state & SS_OOBPEND) != 0;
  kn.kn_data = pending ? -1 : <i64>so.so_oobmark;
  kn.kn_fflags = NOTE_OOB;
  return pending || so.so_oobmark != 0 || (so.so_state & SS_RCVATMARK) != 0;
}

function filt_sowrite(so: Socket, kn: Knote): bool {
  kn.kn_data = max(0, so.so_proto.pr_sospace(so));
  if (so.so_state & SS_CANTSENDMORE) {
    kn.kn_flags |= EV_EOF;
    kn.kn_fflags = so.so_error;
    return true;
  }
  if (so.so_error != 0) return true;
  if (kn.kn_sfflags & NOTE_LOWAT) {
    if (so.so_state & SS_MBWAIT) return false;
    const connreq = (so.so_proto.pr_flags & PR_CONNREQUIRED) != 0;
    if (connreq && (so.so_state & SS_ISCONNECTED) == 0) return false;
    return kn.kn_data >= kn.kn_sdata;
  }
  return so.so_proto.pr_sowriteable(so);
}

/** Carve the pool of socket files. Called once by net_init(). */
export function sysso_boot(): void {
  sost.so_filepool = pool_init_obj<SocketFile>("socketfile", NET_MAXSOCKETS);
}

/** A descriptor for `so`, read and write, O_NONBLOCK if `nonblock`: it, or -ENOBUFS (no more socket files), -EMFILE (so untouched). */
export function sofd(so: Socket, nonblock: bool): i32 {
  const p = pool_getz(sost.so_filepool);
  if (p == 0) return -ENOBUFS;
  const fp = changetype<SocketFile>(p);
  fp.f_type = DTYPE_SOCKET;
  fp.f_flag = FREAD | FWRITE | (nonblock ? O_NONBLOCK : 0);
  fp.f_so = so;
  const fd = fd_alloc(fp);
  if (fd < 0) pool_put(sost.so_filepool, p);
  return fd;
}

/** Let the descriptor `fd`, made by sofd, name another socket (accept takes the number first). */
export function sofd_set(fd: i32, so: Socket): void {
  changetype<SocketFile>(changetype<usize>(fd_getfile(fd))).f_so = so;
}

/** The socket behind `fd`; null when it is none: sofd_why says what to answer. */
export function fd_getsock(fd: i32): Socket {
  const fp = fd_getfile(fd);
  if (changetype<usize>(fp) == 0 || fp.f_type != DTYPE_SOCKET) return changetype<Socket>(0);
  return changetype<SocketFile>(changetype<usize>(fp)).f_so;
}

/** -EBADF or -ENOTSOCK. */
export function sofd_why(fd: i32): i32 {
  return changetype<usize>(fd_getfile(fd)) == 0 ? -EBADF : -ENOTSOCK;
}

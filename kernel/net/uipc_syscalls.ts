/**
 * The socket system calls: fetch and check the arguments, call the socket layer, hand results back.
 *
 * Pointers are checked to lie in linear memory (EFAULT). Addresses are copied in, with sa_len set to
 * their length, so that neither side needs to fill it in; copied out cut to the room, the true length
 * going to *salen. No call waits: -EAGAIN, -EINPROGRESS.
 */
import { EFAULT, EINVAL } from "../abi/errno";
import { SA_LEN, SOCK_MAXADDRLEN } from "../abi/sockaddr";
import { MSGHDR_CONTROL, MSGHDR_CONTROLLEN, MSGHDR_FLAGS, MSGHDR_IOV, MSGHDR_IOVLEN, MSGHDR_NAME, MSGHDR_NAMELEN,
  MSGHDR_SIZE, SOCK_NONBLOCK, SOCK_TYPEMASK } from "../abi/socket";
import * as nr from "../abi/syscall";
import { fd_close } from "../kern/file";
import { kmem_alloc } from "../kern/kmem";
import { useracc } from "../kern/kstring";
import { sysent_set } from "../kern/syscall";
import { Msg, msg_init, msg_initv } from "./msg";
import { PR_ADDR } from "./protosw";
import { Socket, sost } from "./socket";
import { fd_getsock, sofd, sofd_set, sofd_why } from "./sys_socket";
import { soaccept, soaccept_name, soacceptable, sobind, soconnect, soconnect2, socreate, sogetpeername, sogetsockname,
  solisten, soshutdown } from "./uipc_socket";
import { soclose } from "./uipc_close";
import { sogetopt, sosetopt } from "./uipc_sockopt";

/** Longest option value. */
const OPTLEN_MAX: i32 = 4096;

/** Register the calls and carve their scratch memory. Called once by net_init(). */
export function uipc_syscalls_boot(): void {
  sost.so_msg = kmem_alloc(offsetof<Msg>(), 8, "socket.msg");
  sost.so_sabuf = kmem_alloc(SOCK_MAXADDRLEN, 8, "socket.addr");
  sysent_set(nr.SYS_socket, sys_socket);
  sysent_set(nr.SYS_socketpair, sys_socketpair);
  sysent_set(nr.SYS_bind, sys_bind);
  sysent_set(nr.SYS_listen, sys_listen);
  sysent_set(nr.SYS_accept, sys_accept);
  sysent_set(nr.SYS_connect, sys_connect);
  sysent_set(nr.SYS_sendto, sys_sendto);
  sysent_set(nr.SYS_sendmsg, sys_sendmsg);
  sysent_set(nr.SYS_recvfrom, sys_recvfrom);
  sysent_set(nr.SYS_recvmsg, sys_recvmsg);
  sysent_set(nr.SYS_shutdown, sys_shutdown);
  sysent_set(nr.SYS_setsockopt, sys_setsockopt);
  sysent_set(nr.SYS_getsockopt, sys_getsockopt);
  sysent_set(nr.SYS_getsockname, sys_getsockname);
  sysent_set(nr.SYS_getpeername, sys_getpeername);
}

/** Copy an address in to so_sabuf; 0 or -errno. */
function sockaddr_in(sa: usize, len: i32): i32 {
  if (len < 2 || len > SOCK_MAXADDRLEN) return -EINVAL;
  if (!useracc(sa, len)) return -EFAULT;
  memory.copy(sost.so_sabuf, sa, len);
  store<u8>(sost.so_sabuf, <u8>len, SA_LEN);
  return 0;
}

/** The room for an address, *salen, if it and the room are memory; sa = 0: the caller wants no address. */
function sockaddr_room(sa: i32, salen: i32): i32 {
  if (sa == 0) return 0;
  if (!useracc(salen, 4)) return -EFAULT;
  const room = load<i32>(salen);
  if (room < 0) return -EINVAL;
  return useracc(sa, room) ? room : -EFAULT;
}

/** Hand out the `len` bytes at so_sabuf, as many as fit the `room`, and the length. */
function sockaddr_out(sa: i32, salen: i32, room: i32, len: i32): void {
  if (sa == 0) return;
  memory.copy(sa, sost.so_sabuf, min(len, room));
  store<i32>(salen, len);
}

function sys_socket(family: i32, type: i32, protocol: i32, a3: i32, a4: i32, a5: i32): i32 {
  const p = socreate(family, type & SOCK_TYPEMASK, protocol);
  if (p < 0) return p;
  const so = changetype<Socket>(p);
  const fd = sofd(so, (type & SOCK_NONBLOCK) != 0);
  if (fd < 0) soclose(so);
  return fd;
}

function sys_socketpair(family: i32, type: i32, protocol: i32, sv: i32, a4: i32, a5: i32): i32 {
  if (!useracc(sv, 8)) return -EFAULT;
  const fd1 = sys_socket(family, type, protocol, 0, 0, 0);
  if (fd1 < 0) return fd1;
  const fd2 = sys_socket(family, type, protocol, 0, 0, 0);
  if (fd2 < 0) {
    fd_close(fd1);
    return fd2;
  }
  const e = soconnect2(fd_getsock(fd1), fd_getsock(fd2));
  if (e < 0) {
    fd_close(fd1);
    fd_close(fd2);
    return e;
  }
  store<i32>(sv, fd1);
  store<i32>(sv, fd2, 4);
  return 0;
}

function sys_bind(fd: i32, sa: i32, len: i32, a3: i32, a4: i32, a5: i32): i32 {
  const so = fd_getsock(fd);
  if (!so) return sofd_why(fd);
  const e = sockaddr_in(sa, len);
  return e < 0 ? e : sobind(so, sost.so_sabuf, len);
}

function sys_listen(fd: i32, backlog: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const so = fd_getsock(fd);
  return so ? solisten(so, backlog) : sofd_why(fd);
}

function sys_accept(fd: i32, sa: i32, salen: i32, flags: i32, a4: i32, a5: i32): i32 {
  const head = fd_getsock(fd);
  if (!head) return sofd_why(fd);
  const room = sockaddr_room(sa, salen);
  if (room < 0) return room;
  const e = soacceptable(head);
  if (e < 0) return e;
  // The number first: without one the connection stays in the queue.
  const newfd = sofd(head, (flags & SOCK_NONBLOCK) != 0);
  if (newfd < 0) return newfd;
  const so = soaccept(head);
  sofd_set(newfd, so);
  const len = soaccept_name(so, sost.so_sabuf);
  if (len < 0) {
    fd_close(newfd);
    return len;
  }
  sockaddr_out(sa, salen, room, len);
  return newfd;
}

function sys_connect(fd: i32, sa: i32, len: i32, a3: i32, a4: i32, a5: i32): i32 {
  const so = fd_getsock(fd);
  if (!so) return sofd_why(fd);
  const e = sockaddr_in(sa, len);
  return e < 0 ? e : soconnect(so, sost.so_sabuf, len);
}

function sys_sendto(fd: i32, buf: i32, len: i32, flags: i32, sa: i32, salen: i32): i32 {
  const so = fd_getsock(fd);
  if (!so) return sofd_why(fd);
  if (len < 0) return -EINVAL;
  if (!useracc(buf, len)) return -EFAULT;
  const msg = changetype<Msg>(sost.so_msg);
  msg_init(msg, buf, len);
  if (sa != 0) {
    const e = sockaddr_in(sa, salen);
    if (e < 0) return e;
    msg.msg_name = sost.so_sabuf;
    msg.msg_namelen = salen;
  }
  return so.so_proto.pr_sosend(so, msg, flags);
}

/** Describe the struct msghdr at `hdr`; 0 or -errno. */
function msghdr_in(msg: Msg, hdr: usize): i32 {
  if (!useracc(hdr, MSGHDR_SIZE)) return -EFAULT;
  const e = msg_initv(msg, load<usize>(hdr, MSGHDR_IOV), load<i32>(hdr, MSGHDR_IOVLEN));
  if (e < 0) return e;
  const control = load<usize>(hdr, MSGHDR_CONTROL);
  const controllen = control != 0 ? load<i32>(hdr, MSGHDR_CONTROLLEN) : 0;
  if (controllen < 0) return -EINVAL;
  if (!useracc(control, controllen)) return -EFAULT;
  msg.msg_control = control;
  msg.msg_controllen = controllen;
  return 0;
}

function sys_sendmsg(fd: i32, hdr: i32, flags: i32, a3: i32, a4: i32, a5: i32): i32 {
  const so = fd_getsock(fd);
  if (!so) return sofd_why(fd);
  const msg = changetype<Msg>(sost.so_msg);
  let e = msghdr_in(msg, hdr);
  if (e < 0) return e;
  const name = load<usize>(hdr, MSGHDR_NAME);
  if (name != 0) {
    const len = load<i32>(hdr, MSGHDR_NAMELEN);
    e = sockaddr_in(name, len);
    if (e < 0) return e;
    msg.msg_name = sost.so_sabuf;
    msg.msg_namelen = len;
  }
  return so.so_proto.pr_sosend(so, msg, flags);
}

/** Length of the sender's address: none where records have none, whatever a protocol left there. */
function recv_namelen(so: Socket, msg: Msg): i32 {
  return so.so_proto.pr_flags & PR_ADDR ? msg.msg_namelen : 0;
}

function sys_recvfrom(fd: i32, buf: i32, len: i32, flags: i32, sa: i32, salen: i32): i32 {
  const so = fd_getsock(fd);
  if (!so) return sofd_why(fd);
  if (len < 0) return -EINVAL;
  if (!useracc(buf, len)) return -EFAULT;
  const room = sockaddr_room(sa, salen);
  if (room < 0) return room;
  const msg = changetype<Msg>(sost.so_msg);
  msg_init(msg, buf, len);
  if (sa != 0) {
    msg.msg_name = sost.so_sabuf;
    msg.msg_namelen = SOCK_MAXADDRLEN;
  }
  const n = so.so_proto.pr_soreceive(so, msg, flags);
  if (n >= 0) sockaddr_out(sa, salen, room, recv_namelen(so, msg));
  return n;
}

function sys_recvmsg(fd: i32, hdr: i32, flags: i32, a3: i32, a4: i32, a5: i32): i32 {
  const so = fd_getsock(fd);
  if (!so) return sofd_why(fd);
  const msg = changetype<Msg>(sost.so_msg);
  const e = msghdr_in(msg, hdr);
  if (e < 0) return e;
  const name = load<i32>(hdr, MSGHDR_NAME);
  const room = sockaddr_room(name, hdr + MSGHDR_NAMELEN);
  if (room < 0) return room;
  if (name != 0) {
    msg.msg_name = sost.so_sabuf;
    msg.msg_namelen = SOCK_MAXADDRLEN;
  }
  const n = so.so_proto.pr_soreceive(so, msg, flags);
  if (n < 0) return n;
  sockaddr_out(name, hdr + MSGHDR_NAMELEN, room, recv_namelen(so, msg));
  store<i32>(hdr, msg.msg_controllen, MSGHDR_CONTROLLEN);
  store<i32>(hdr, msg.msg_flags, MSGHDR_FLAGS);
  return n;
}

function sys_shutdown(fd: i32, how: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const so = fd_getsock(fd);
  return so ? soshutdown(so, how) : sofd_why(fd);
}

function sys_setsockopt(fd: i32, level: i32, opt: i32, val: i32, len: i32, a5: i32): i32 {
  const so = fd_getsock(fd);
  if (!so) return sofd_why(fd);
  if (len < 0 || len > OPTLEN_MAX) return -EINVAL;
  if (!useracc(val, len)) return -EFAULT;
  return sosetopt(so, level, opt, val, len);
}

function sys_getsockopt(fd: i32, level: i32, opt: i32, val: i32, lenp: i32, a5: i32): i32 {
  const so = fd_getsock(fd);
  if (!so) return sofd_why(fd);
  if (!useracc(lenp, 4)) return -EFAULT;
  const len = load<i32>(lenp);
  if (len < 0) return -EINVAL;
  if (!useracc(val, len)) return -EFAULT;
  const n = sogetopt(so, level, opt, val, len);
  if (n < 0) return n;
  store<i32>(lenp, n);
  return 0;
}

function sys_getsockname(fd: i32, sa: i32, salen: i32, a3: i32, a4: i32, a5: i32): i32 {
  const so = fd_getsock(fd);
  if (!so) return sofd_why(fd);
  const room = sa == 0 ? -EFAULT : sockaddr_room(sa, salen);
  if (room < 0) return room;
  const len = sogetsockname(so, sost.so_sabuf);
  if (len < 0) return len;
  sockaddr_out(sa, salen, room, len);
  return 0;
}

function sys_getpeername(fd: i32, sa: i32, salen: i32, a3: i32, a4: i32, a5: i32): i32 {
  const so = fd_getsock(fd);
  if (!so) return sofd_why(fd);
  const room = sa == 0 ? -EFAULT : sockaddr_room(sa, salen);
  if (room < 0) return room;
  const len = sogetpeername(so, sost.so_sabuf);
  if (len < 0) return len;
  sockaddr_out(sa, salen, room, len);
  return 0;
}

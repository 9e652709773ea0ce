/**
 * Ephemeral ports: every algorithm stays in its range, gives a port while there is one, and says so when
 * there is none.
 */
import { EADDRNOTAVAIL, EINVAL, ERANGE } from "../../kernel/abi/errno";
import { AF_INET, SOCK_DGRAM } from "../../kernel/abi/socket";
import { SYS_close, SYS_socket, SYS_sysctlbyname } from "../../kernel/abi/syscall";
import { kput_str } from "../../kernel/kern/kstring";
import { syscall } from "../../kernel/kern/syscall";
import { spec_buf } from "../../kernel/net/net_spec";
import { in_pcbsetbind, in_pcbsetconn, in_pcbunbind, in_pcbunconn, Inpcb } from "./in_pcb";
import { ip4, spec_netinet_boot } from "./netinet_spec";
import { portalgo_choose } from "./portalgo";
import { fd_getfile } from "../../kernel/kern/file";
import { SocketFile } from "../../kernel/net/sys_socket";

spec_netinet_boot();

function set(name: string, value: i32): i32 {
  const end = kput_str(spec_buf, spec_buf + 100, name);
  store<i32>(spec_buf + 200, value);
  return syscall(SYS_sysctlbyname, <i32>spec_buf, <i32>(end - spec_buf), 0, 0, <i32>spec_buf + 200, 4);
}

function ask(name: string, value: string): i32 {
  const end = kput_str(spec_buf, spec_buf + 100, name);
  const v = kput_str(spec_buf + 200, spec_buf + 300, value);
  return syscall(SYS_sysctlbyname, <i32>spec_buf, <i32>(end - spec_buf), <i32>spec_buf + 400, 100, <i32>spec_buf + 200, <i32>(v - spec_buf) - 200);
}

function pcb(fd: i32): Inpcb {
  return changetype<Inpcb>(changetype<SocketFile>(changetype<usize>(fd_getfile(fd))).f_so.so_pcb);
}

const PEER: u32 = 0x0200000a;

describe("ephemeral ports", () => {
  it("lie in the range, whatever the algorithm", () => {
    const fd = syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0, 0, 0, 0);
    const inp = pcb(fd);
    for (let algo = 0; algo < 6; algo++) {
      inp.inp_portalgo = <u8>(algo + 1);
      for (let i = 0; i < 500; i++) {
        const port = portalgo_choose(inp, ip4(10, 0, 0, 1), PEER, 80);
        expect(port >= 49152 && port <= 65535).toBe(true);
      }
    }
    syscall(SYS_close, fd, 0, 0, 0, 0, 0);
  });

  it("differ from one call to the next for the algorithms that are random", () => {
    const fd = syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0, 0, 0, 0);
    const inp = pcb(fd);
    for (let algo = 1; algo < 6; algo++) {
      inp.inp_portalgo = <u8>(algo + 1);
      const a = portalgo_choose(inp, ip4(10, 0, 0, 1), PEER, 80);
      const b = portalgo_choose(inp, ip4(10, 0, 0, 1), PEER, 80);
      const c = portalgo_choose(inp, ip4(10, 0, 0, 1), PEER, 80);
      expect(a != b || b != c).toBe(true);
    }
    syscall(SYS_close, fd, 0, 0, 0, 0, 0);
  });

  it("run out when all are taken, and may be used again towards another peer", () => {
    expect(set("net.inet.ip.anonportmin", 60000)).toBe(0);
    expect(set("net.inet.ip.anonportmax", 60003)).toBe(0);
    const fds = new StaticArray<i32>(5);
    for (let i = 0; i < 5; i++) {
      fds[i] = syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0, 0, 0, 0);
      const inp = pcb(fds[i]);
      const port = portalgo_choose(inp, ip4(10, 0, 0, 1), PEER, 80);
      if (i == 4) {
        expect(port).toBe(-EADDRNOTAVAIL);
        expect(portalgo_choose(inp, ip4(10, 0, 0, 1), PEER, 81)).toBeGreaterThan(0);
        expect(portalgo_choose(inp, ip4(10, 0, 0, 1), 0, 0)).toBe(-EADDRNOTAVAIL, "for bind a port must be nobody's");
        continue;
      }
      expect(port >= 60000 && port <= 60003).toBe(true);
      in_pcbsetbind(inp, ip4(10, 0, 0, 1), port);
      expect(in_pcbsetconn(inp, ip4(10, 0, 0, 1), PEER, 80)).toBe(0);
    }
    in_pcbunconn(pcb(fds[0]));
    in_pcbunbind(pcb(fds[0]));
    expect(portalgo_choose(pcb(fds[4]), ip4(10, 0, 0, 1), PEER, 80)).toBeGreaterThan(0);
    for (let i = 0; i < 5; i++) syscall(SYS_close, fds[i], 0, 0, 0, 0, 0);
  });

  it("leave reserved ports alone", () => {
    for (let port = 60000; port < 60003; port++) expect(ask("net.inet.ip.anonportalgo.reserve", port.toString())).toBe(0);
    const fd = syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0, 0, 0, 0);
    for (let i = 0; i < 20; i++) expect(portalgo_choose(pcb(fd), ip4(10, 0, 0, 1), PEER, 80)).toBe(60003);
    expect(ask("net.inet.ip.anonportalgo.reserve", "70000")).toBe(-EINVAL);
    syscall(SYS_close, fd, 0, 0, 0, 0, 0);
  });

  it("are chosen by the algorithm that sysctl names", () => {
    expect(ask("net.inet.ip.anonportalgo.selected", "doublehash")).toBe(12);
    expect(ask("net.inet.ip.anonportalgo.selected", "random_pick")).toBe(10);
    expect(ask("net.inet.ip.anonportalgo.selected", "best")).toBe(-EINVAL);
    expect(set("net.inet.ip.anonportmax", 80)).toBe(-ERANGE);
  });
});

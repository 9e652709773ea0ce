/**
 * In-kernel senders over sockin: mbuf chains by sosend_chain until the host takes only a part of one,
 * then close at once. What was handed over must arrive all the same, and the end after it.
 *
 * No component sends that way over sockin yet, so the image is made here: this tree and one more
 * component, which sends a known pattern to whoever connects and reads too slowly.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { boot } from '../../host/index';
import type { Kernel } from '../../host/kernel';
import { findRoot } from '../../tools/lib/root.mjs';
import { buildImage } from '../../tools/mkimage/build';
import { freePort } from '../lib/net';
import { noEpoll } from './rig';

const component = {
  name: 'chainer', description: 'sends mbuf chains', provides: ['app'], needs: ['kern:net', 'domain:inet'],
  init: { POSTINIT: 'chainer_init' }, entry: 'chainer.ts', sizeBudget: 16384,
};

const image = {
  description: 'a sender of mbuf chains', components: ['sockin', 'chainer'], pages: 256,
  tunables: { NET_NMBUFS: 512, NET_NMBCLUSTERS: 256, NET_NMBBIG: 4, NET_MAXSOCKETS: 32 },
};

const source = `
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kqueue_notify } from "../../kernel/kern/kqueue";
import { getparam_int } from "../../kernel/kern/rumpuser";
import { app_register } from "../../kernel/kern/shutdown";
import * as u from "../../kernel/kern/usyscall";
import { MNULL, Mbuf, m_freem, m_size, m_start } from "../../kernel/net/mbuf";
import { m_getfor } from "../../kernel/net/mbuf3";
import { fd_getsock } from "../../kernel/net/sys_socket";
import { sosend_chain } from "../../kernel/net/uipc_send";
import { sysctl_int } from "../../kernel/kern/sysctl";

@unmanaged
class State { kq: i32; listener: i32; fd: i32; sent: i32; left: i32; ev: usize; }
let st: State = changetype<State>(0);

function watch(fd: i32, filter: i32): void {
  memory.fill(st.ev, 0, 24);
  store<i32>(st.ev, fd);
  store<i16>(st.ev, <i16>filter, 4);
  store<u16>(st.ev, 1, 6);
  u.sys_kevent(st.kq, st.ev, 1, 0, 0);
}

/** A chain of up to thirty mbufs with the bytes from st.sent on. */
function chain(): Mbuf {
  let top = MNULL;
  let tail = MNULL;
  let at = st.sent;
  for (let k = 0; k < 30; k++) {
    const m = m_getfor(2000, false);
    if (!m) return top;
    const n = min(2000, <i32>(m_start(m) + m_size(m) - m.m_data));
    for (let i = 0; i < n; i++) store<u8>(m.m_data + i, <u8>(((at + i) * 7) ^ ((at + i) >> 9)));
    m.m_len = n;
    at += n;
    if (tail) tail.m_next = m;
    else top = m;
    tail = m;
  }
  return top;
}

function send(): void {
  while (st.fd >= 0) {
    const m = chain();
    if (!m) return;
    const so = fd_getsock(st.fd);
    const n = sosend_chain(so, m, 0);
    if (n < 0) {
      m_freem(m);
      return;
    }
    st.sent += n;
    st.left = so.so_snd.sb_cc;
    if (st.left == 0) continue;
    u.sys_close(st.fd);
    st.fd = -1;
  }
}

function run(arg: usize): void {
  while (u.sys_kevent(st.kq, 0, 0, st.ev, 1) > 0) {
    if (load<i32>(st.ev) == st.listener) {
      const fd = u.sys_accept(st.listener, 0, 0);
      if (fd >= 0 && st.fd < 0) {
        st.fd = fd;
        st.sent = 0;
        watch(fd, 1);
      }
    } else send();
  }
}

export function chainer_init(): i32 {
  st = changetype<State>(kmem_alloc(offsetof<State>(), 8, "chainer"));
  st.ev = kmem_alloc(64, 8, "chainer");
  st.fd = -1;
  st.kq = u.sys_kqueue();
  st.listener = u.sys_socket(2, 1, 0);
  store<u32>(st.ev, 0x0210);
  const port = getparam_int("PORT", 0);
  store<u8>(st.ev, <u8>(port >> 8), 2);
  store<u8>(st.ev, <u8>port, 3);
  store<u32>(st.ev, 0x0100007f, 4);
  store<u64>(st.ev, 0, 8);
  let e = u.sys_bind(st.listener, st.ev, 16);
  if (e >= 0) e = u.sys_listen(st.listener, 5);
  if (e < 0) return e;
  watch(st.listener, 0);
  sysctl_int("chainer.sent", changetype<usize>(st) + offsetof<State>("sent"), 0);
  sysctl_int("chainer.left", changetype<usize>(st) + offsetof<State>("left"), 0);
  kqueue_notify(st.kq, run, 0);
  app_register();
  return 0;
}
`;

/** This tree with the component and its image added, in a directory of its own. */
function makeTree(): string {
  const root = findRoot();
  const tree = mkdtempSync(join(tmpdir(), 'chainer-'));
  const link = (path: string): void => symlinkSync(join(root, path), join(tree, path));
  for (const dir of ['kernel', 'kernel/conf', 'components', 'components/chainer']) mkdirSync(join(tree, dir));
  for (const name of ['node_modules', 'tools', 'asconfig.json', 'package.json']) link(name);
  for (const name of readdirSync(join(root, 'kernel'))) if (name !== 'conf') link(`kernel/${name}`);
  for (const name of readdirSync(join(root, 'components'))) link(`components/${name}`);
  link('kernel/conf/capabilities.json');
  link('kernel/conf/SPEC.json');
  writeFileSync(join(tree, 'kernel/conf/CHAINER.json'), JSON.stringify(image));
  writeFileSync(join(tree, 'components/chainer/component.json'), JSON.stringify(component));
  writeFileSync(join(tree, 'components/chainer/chainer.ts'), source);
  return tree;
}

/** Connect, read slowly at first, and compare. */
async function readAll(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  let got = 0;
  socket.on('data', (part: Buffer) => {
    for (let i = 0; i < part.length; i += 97) {
      const at = got + i;
      assert.equal(part[i], ((at * 7) ^ (at >> 9)) & 255, `byte ${at}`);
    }
    got += part.length;
  });
  socket.pause();
  await new Promise((done) => { setTimeout(done, 150); });
  socket.resume();
  await new Promise((done, fail) => { socket.once('end', done).once('error', fail); });
  socket.destroy();
  return got;
}

describe('mbuf chains over sockin', () => {
  let tree = '';
  let wasm = '';
  before(async () => {
    tree = makeTree();
    wasm = (await buildImage('CHAINER', { root: tree })).wasmFile;
  });
  after(() => { if (tree !== '') rmSync(tree, { recursive: true, force: true }); });

  for (const backend of ['epoll', 'node']) {
    test(`all of it arrives, ${backend} backend`, { skip: backend === 'epoll' ? noEpoll() : false }, async () => {
      const port = await freePort();
      const kernel: Kernel = await boot(wasm, { params: { PORT: port }, host: { backend } });
      for (let round = 0; round < 2; round++) {
        const got = await readAll(port);
        assert.ok(Number(kernel.sysctl('chainer.left')) > 0, 'it was closed with a part still here');
        assert.equal(got, kernel.sysctl('chainer.sent'));
      }
      for (let i = 0; i < 100 && kernel.sysctl('net.sockin.open') !== 1; i++) await new Promise((done) => { setTimeout(done, 20); });
      assert.equal(kernel.sysctl('net.sockin.open'), 1, 'only the listener is left');
      await kernel.close();
    });
  }
});

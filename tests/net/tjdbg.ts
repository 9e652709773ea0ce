import { Lab, stat, poolsInUse } from './lab';
import { parsePools } from '../../host/control/tables';
import { Sender, Receiver } from './transfer';
import { Sock, must } from './socketRig';
const lab = await Lab.make({ offload: false, image: process.env.IMG ?? 'NET', faults: process.env.NOF ? {delayUs:200} : { loss: .05, duplicate: .02, reorder: .05, corrupt: .01, delayUs: 200, seed: 1000 } });
const [a, b] = lab.kernels as any;
const rig: any = { a, b, address: (k: any) => lab.address(lab.kernels.indexOf(k)) };
const l = Sock.listener(rig, b, 1024);
const N = Number(process.env.N ?? 1000);
const cs: Sender[] = []; const rs: Receiver[] = [];
for (let i = 0; i < N; i++) { const c = Sock.stream(rig, a); c.connect(l.name()); cs.push(new Sender(a, c.fd, (64 << 10) + i * 16)); }
let fin = 0; const t0 = performance.now();
const show = () => { for (const [n, k] of [['a', a], ['b', b]] as any) { console.log(n, parsePools(String(k.sysctl('kern.pools'))).filter(p => p.failures || /mb/.test(p.name)).map(p => `${p.name} ${p.inUse}/${p.max} hi ${p.highWater} fail ${p.failures}`).join('; ')); console.log(String(k.sysctl('net.inet.tcp.stats')).split('\n').filter(x => !/ 0$/.test(x)).join(', ')); } console.log('fin', fin, 'acc', rs.length, 'got', rs.reduce((s, r) => s + r.got, 0), 'virt', lab.nowUs / 1e6, 'real', performance.now() - t0, JSON.stringify(lab.line?.counters)); console.log('ports', (lab.hub as any).ports ? [...lab.hub.ports].map((p: any) => JSON.stringify(p.counters) + p.waiting.length) : ''); };
for (let step = 0; step < 400; step++) {
  for (let k = 0; k < 20; k++) {
  for (let s = l.accept(); typeof s !== 'number'; s = l.accept()) rs.push(new Receiver(b, s.fd));
  for (const c of cs) if (c.sent < c.total) { try { if (a.sys.getsockoptInt(c.fd, 0xffff, 0x1007) ) { console.log('err'); c.sent = c.total; continue; } if (a.sys.raw(133, c.fd, a.sys.data, 0) >= 0) c.step(); } catch (e) { console.log(String(e)); show(); process.exit(1); } }
  fin = 0; for (const r of rs) if (r.step()) fin++;
  for (let q = 0; q < 20; q++) { lab.settle(); lab.step(1000); }
  }
  if (step % 10 === 0) show();
  if (fin === N) break;
}
show();
process.exit(0)

import { Lab, stat, poolsInUse } from './lab';
import { Sender, Receiver } from './transfer';
import { Sock, must } from './socketRig';
for (const seed of [1,2,3]) {
const t0 = performance.now();
const lab = await Lab.make({ seed, offload: false, faults: { loss: .05, duplicate: .02, reorder: .05, corrupt: .01, delayUs: 200, seed } });
const [a, b] = lab.kernels as any;
const rig: any = { a, b, address: (k: any) => lab.address(lab.kernels.indexOf(k)) };
const l = Sock.listener(rig, b);
const c = Sock.stream(rig, a); c.connect(l.name());
let s: any = -1;
lab.until(() => { s = l.accept(); return typeof s !== 'number'; }, 'accept', 600e6);
const v0 = lab.nowUs;
const tx = new Sender(a, c.fd, 64 << 20), rx = new Receiver(b, s.fd);
try { lab.until(() => { tx.step(); return rx.step(); }, 'transfer', 7200e6); } catch (e) { console.log(String(e), tx.sent, rx.got); console.log(String(a.sysctl('net.inet.tcp.pcblist'))); }
console.log(seed, 'real ms', (performance.now() - t0) | 0, 'virtual s', (lab.nowUs - v0) / 1e6, rx.got, JSON.stringify(lab.line!.counters));
for (const n of ['sndrexmitpack','rexmttimeo','sndpack','rcvbadsum']) console.log(n, stat(a, 'net.inet.tcp.stats', n));
}
process.exit(0)

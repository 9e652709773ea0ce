import { Lab } from './lab';
const lab = await Lab.make();
const a = lab.kernels[0]!;
const show = (w: string) => console.log(w, String(a.sysctl('kern.pools')).split('\n').filter(x => /sock|pcb/.test(x)).join(' | '));
show('start');
for (const type of [2, 1, 1]) {
const fds: number[] = []; let r = 0;
for (;;) { r = a.sys.raw(97, 2, type, 0); if (r < 0) break; fds.push(r); }
show(`type ${type} n ${fds.length} r ${r}`);
for (const fd of fds) a.sys.close(fd);
show('closed');
}
process.exit(0);

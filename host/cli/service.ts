/**
 * The one line that says what a booted image does.
 *
 *      serving ./site on http://127.0.0.1:8080 (SOCKIN, 143 KB, booted in 4 ms)
 *      serving rd0 (1.0 GiB) on nbd://127.0.0.1:10809 (NBD, 116 KB, booted in 20 ms)
 *      running SOCK (96 KB, booted in 3 ms)
 *
 * An image that serves says where by sysctl (httpd.address, httpd.port; nbd.address, nbd.port); others
 * just run.
 */
import { isIPv6 } from 'node:net';
import type { Volume } from '../boot';
import { parseInterfaces } from '../control/tables';
import type { Kernel } from '../kernel';

export interface ServiceFacts {
  bootMs: number;
  volumes: readonly Volume[];
}

/** The line; null if the image has ended already. */
export async function serviceLine(kernel: Kernel, facts: ServiceFacts): Promise<string | null> {
  // Let the first run happen: what fails to start ends in it.
  await new Promise((resolve) => { setImmediate(() => setImmediate(resolve)); });
  if (!kernel.isAlive) return null;
  const size = kernel.imageSize > 0 ? `${Math.round(kernel.imageSize / 1000)} KB, ` : '';
  const booted = `${size}booted in ${duration(facts.bootMs)}`;
  const disks = diskService(kernel);
  if (disks !== null) return `serving ${disks} (${kernel.name}, ${booted})`;
  const url = serviceUrl(kernel);
  if (url === null) return `running ${kernel.name} (${booted})`;
  const what = facts.volumes.length > 0 ? facts.volumes.map(({ source }) => source).join(', ') : kernel.name;
  return `serving ${what} on ${url} (${kernel.name}, ${booted})`;
}

function serviceUrl(kernel: Kernel): string | null {
  const names = new Set(kernel.sysctlList().map(({ name }) => name));
  if (!names.has('httpd.port')) return null;
  const port = Number(kernel.sysctl('httpd.port'));
  const address = names.has('httpd.address') ? String(kernel.sysctl('httpd.address')) : '';
  const isAny = address === '' || address === '0.0.0.0' || address === '::';
  const host = !isAny ? address : names.has('net.interfaces') ? ownAddress(kernel) : '127.0.0.1';
  if (host === null) return null;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** An address of an image with interfaces of its own at which others reach it; null if it has none (yet). */
function ownAddress(kernel: Kernel): string | null {
  const addresses = parseInterfaces(String(kernel.sysctl('net.interfaces'))).flatMap(({ inet }) => inet);
  return addresses.find((each) => !each.startsWith('127.'))?.replace(/\/.*/, '') ?? null;
}

/** What an NBD server serves, and where; null if there is none. */
function diskService(kernel: Kernel): string | null {
  if (!kernel.sysctlList().some(({ name }) => name === 'nbd.port')) return null;
  const port = Number(kernel.sysctl('nbd.port'));
  const address = String(kernel.sysctl('nbd.address'));
  const list = String(kernel.sysctl('kern.disk')).split('\n').filter(Boolean);
  const names = list.map((line) => `${/name=(\S+)/.exec(line)?.[1]} (${sizeText(Number(/size=(\d+)/.exec(line)?.[1]))})`);
  return `${names.join(', ') || 'no disk yet'} on nbd://${address === '0.0.0.0' ? '127.0.0.1' : address}:${port}`;
}

/** "256 MiB". */
function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  let value = bytes;
  for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[at]}`;
}

function duration(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * `need('wrk', 'tshark')`: is there what a test needs from the machine, and if not, can it be had?
 *
 * The answer is what node:test takes as `skip`: false, or the reason. A Debian tool that is missing is
 * installed with apt-get when we are root: non-interactive, package lists fetched once, and under
 * flock(1), because several test files may want something at the same moment. `npm test` asks for
 * everything in advance (tools/test/needs.ts), so that this time is not taken from a test's own.
 *
 * Besides programs: 'root', 'linux', 'netns' (network namespaces may be made), 'tun' (/dev/net/tun).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Debian packages, where they are not named like the program. */
const PACKAGES: Record<string, string> = {
  ab: 'apache2-utils', ip: 'iproute2', ss: 'iproute2', tc: 'iproute2', nc: 'netcat-openbsd', nft: 'nftables',
  nginx: 'nginx-light', 'wasm2c': 'wabt', dig: 'bind9-dnsutils', ping: 'iputils-ping', arping: 'iputils-arping',
  unshare: 'util-linux', dnsmasq: 'dnsmasq-base', mkfs: 'e2fsprogs', 'nbd-client': 'nbd-client', nbdinfo: 'libnbd-bin', nbdcopy: 'libnbd-bin',
  nbdsh: 'python3-libnbd', scapy: 'python3-scapy',
  'qemu-img': 'qemu-utils', 'qemu-io': 'qemu-utils', 'mkfs.ext4': 'e2fsprogs', e2fsck: 'e2fsprogs', 'mkfs.vfat': 'dosfstools', 'fsck.vfat': 'dosfstools', python3: 'python3-minimal',
};
/** Where Debian puts programs that are not in every user's PATH. */
const SBIN = ['/usr/sbin', '/sbin', '/usr/local/sbin'];
const INSTALL_TIMEOUT_MS = 300_000;
const MAX_AGE_MIN = 600;

/** @returns absolute path of a program, or null */
export function which(program: string): string | null {
  for (const dir of [...(process.env.PATH ?? '').split(delimiter), ...SBIN]) {
    const path = join(dir, program);
    try {
      if (dir !== '') accessSync(path, constants.X_OK);
      if (dir !== '') return path;
    } catch { /* not in this one */ }
  }
  return null;
}

const isRoot = (): boolean => process.getuid?.() === 0;

/** The shell that fetches the lists if they are old, and installs. $1 is the marker, $2 the package. */
const INSTALL = `
set -e
export DEBIAN_FRONTEND=noninteractive
if [ -z "$(find "$1" -mmin -${MAX_AGE_MIN} 2>/dev/null)" ]; then apt-get update -q && touch "$1"; fi
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=240 "$2"
`;

/** @returns "" when the program is there now, else why not */
function install(program: string): string {
  const name = PACKAGES[program] ?? program;
  if (!isRoot()) return `${program} is not installed (Debian package ${name}), and only root may install it`;
  if (which('apt-get') === null || which('flock') === null) return `${program} is not installed, and this is no Debian to install it on`;
  const args = [join(tmpdir(), 'rumpwasm-apt.lock'), 'sh', '-c', INSTALL, 'sh', join(tmpdir(), 'rumpwasm-apt.updated'), name];
  const done = spawnSync('flock', args, { encoding: 'utf8', timeout: INSTALL_TIMEOUT_MS, stdio: ['ignore', 'pipe', 'pipe'] });
  if (which(program) !== null) return '';
  const last = `${done.stdout ?? ''}${done.stderr ?? ''}`.trim().split('\n').pop() ?? '';
  return `${program} is not installed, and apt-get install ${name} failed: ${last || done.error?.message || 'no output'}`;
}

/** Names a namespace for the trial, uses it, removes it. */
function netnsWorks(): boolean {
  const name = `rumpwasm-try-${process.pid}`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' });
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const ABILITIES: Record<string, () => string> = {
  linux: () => (process.platform === 'linux' ? '' : `this is ${process.platform}, not Linux`),
  root: () => (isRoot() ? '' : 'needs root'),
  netns: () => {
    if (!isRoot()) return 'network namespaces need root';
    const missing = which('ip') === null ? install('ip') : '';
    return missing || (netnsWorks() ? '' : 'network namespaces cannot be made here');
  },
  tun: () => (existsSync('/dev/net/tun') ? '' : 'there is no /dev/net/tun here'),
};

const known = new Map<string, string>();

/**
 * @param names programs, or 'root', 'linux', 'netns', 'tun'
 * @returns false when all is there, else the reason why not: the `skip` of a test
 */
export function need(...names: string[]): string | false {
  for (const name of names) {
    if (!known.has(name)) known.set(name, ABILITIES[name]?.() ?? (which(name) === null ? install(name) : ''));
    const reason = known.get(name);
    if (reason) return reason;
  }
  return false;
}

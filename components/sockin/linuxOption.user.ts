/**
 * Socket options between the image and Linux.
 *
 * Level and number are translated (linuxAbi), the value goes through as it is; the exceptions:
 * Linux keeps and reports twice the buffer size that it was asked for, and SO_ERROR is an errno.
 * SO_LINGER never gets here: on Linux it would make close() wait, and the image does lingering
 * itself (an abortive close is sockin_abort).
 */
import { EINVAL, ENOPROTOOPT } from '../../kernel/abi/errno';
import { SOL_SOCKET, SO_ERROR, SO_RCVBUF, SO_SNDBUF } from '../../kernel/abi/socket';
import { errnoFromLinux } from '../../host/errtrans';
import { linuxOption } from './linuxAbi.user';
import { S_LEN, S_OPT, type LinuxSys } from './linuxSys.user';
import { SOCKIN_OPT_MAX } from './sockin.abi';

/** @returns 0 or -errno */
export function setOption(sys: LinuxSys, fd: number, level: number, opt: number, value: Uint8Array): number {
  const to = linuxOption(level, opt);
  if (!to) return -ENOPROTOOPT;
  if (value.length > SOCKIN_OPT_MAX) return -EINVAL;
  sys.scratchBytes.set(value, S_OPT);
  return sys.setsockopt(fd, to.level, to.opt, sys.at + S_OPT, value.length) < 0 ? sys.error() : 0;
}

/** Read an option into `value`. @returns its length or -errno */
export function getOption(sys: LinuxSys, fd: number, level: number, opt: number, value: Uint8Array): number {
  const from = linuxOption(level, opt);
  if (!from) return -ENOPROTOOPT;
  if (value.length > SOCKIN_OPT_MAX) return -EINVAL;
  sys.scratch.setUint32(S_LEN, value.length, true);
  if (sys.getsockopt(fd, from.level, from.opt, sys.at + S_OPT, sys.at + S_LEN) < 0) return sys.error();
  const length = sys.scratch.getUint32(S_LEN, true);
  if (level === SOL_SOCKET && length >= 4) {
    const raw = sys.scratch.getInt32(S_OPT, true);
    if (opt === SO_SNDBUF || opt === SO_RCVBUF) sys.scratch.setInt32(S_OPT, raw >>> 1, true);
    if (opt === SO_ERROR) sys.scratch.setInt32(S_OPT, raw === 0 ? 0 : errnoFromLinux(raw), true);
  }
  value.set(sys.scratchBytes.subarray(S_OPT, S_OPT + length));
  return length;
}

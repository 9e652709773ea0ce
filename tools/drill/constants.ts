/**
 * The names that scripts use for numbers: NetBSD's numbers from kernel/abi, under the names that Linux
 * and the BSDs have for the same thing.
 */
import * as errno from '../../kernel/abi/errno';
import * as fcntl from '../../kernel/abi/fcntl';
import * as filio from '../../kernel/abi/filio';
import * as inet from '../../kernel/abi/inet';
import * as socket from '../../kernel/abi/socket';
import * as poll from '../../host/harness/readiness';

const synonyms: Readonly<Record<string, number>> = {
  PF_INET: socket.AF_INET, PF_INET6: socket.AF_INET6, PF_UNIX: socket.AF_LOCAL, AF_UNIX: socket.AF_LOCAL,
  SOL_IP: inet.IPPROTO_IP, SOL_TCP: inet.IPPROTO_TCP, SOL_UDP: inet.IPPROTO_UDP,
  SIOCINQ: filio.FIONREAD, SIOCOUTQ: filio.FIONWRITE, TIOCINQ: filio.FIONREAD, TIOCOUTQ: filio.FIONWRITE,
  EWOULDBLOCK: errno.EAGAIN, O_NDELAY: fcntl.O_NONBLOCK,
};

const numbers = (module: object): [string, number][] => Object.entries(module).filter((entry): entry is [string, number] => typeof entry[1] === 'number');

const byName = new Map<string, number>([
  ...numbers(inet), ...numbers(fcntl), ...numbers(filio), ...numbers(socket), ...numbers(poll), ...numbers(errno), ...numbers(synonyms),
]);

/** The number of a name; undefined for one that is not known. */
export function constant(name: string): number | undefined {
  return byName.get(name);
}

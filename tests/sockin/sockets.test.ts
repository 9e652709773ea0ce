/**
 * The socket suite over sockin, once for each backend.
 *
 * @timeout 300
 */
import { socketSuite } from '../net/sockets';
import { noEpoll, sockinRig } from './rig';

socketSuite('sockin, epoll backend', () => sockinRig('epoll'), noEpoll());
socketSuite('sockin, node backend', () => sockinRig('node'));

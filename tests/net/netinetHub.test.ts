/**
 * The socket suite over netinet: two images on a hub, with offloads and as on a wire.
 *
 * @timeout 300
 */
import { Lab } from './lab';
import { labRig } from './labTools';
import { socketSuite } from './sockets';

socketSuite('netinet on a hub', async () => labRig(await Lab.make()), false, ['IPv4']);
socketSuite('netinet on a hub, frames as on a wire', async () => labRig(await Lab.make({ offload: false })), false, ['IPv4']);

/**
 * Which instances of this user are running, and choosing one of them.
 */
import { ControlClient } from './client';
import { checkDirectory, controlDirectory, socketNames, socketPath } from './directory';
import { ControlError } from './protocol';
import { cleanSockets } from './server';

/** The answer to operation "status". */
export interface InstanceStatus {
  protocol: number;
  name: string;
  image: string;
  pid: number;
  components: string[];
  uptimeUs: number;
  runs: number;
  /** When the image wants to run again, on its clock; null: not before something happens. */
  deadlineUs: number | null;
  memory: { linear: number; arena: number; carved: number };
  files: number;
  callouts: number;
  imageSize: number;
  params: Record<string, string>;
  trace: boolean;
  logLevel: number;
}

/** How long an instance may take to say that it is there. */
const statusMs = 3000;
const goneCodes = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET']);

async function statusOf(path: string): Promise<InstanceStatus> {
  const client = await ControlClient.open(path);
  try {
    return await client.request<InstanceStatus>('status', {}, statusMs);
  } finally {
    client.close();
  }
}

export interface Instances {
  running: InstanceStatus[];
  /** Names of those that are there but do not answer. */
  silent: string[];
}

/** Every instance of this user; sockets that belong to none are removed. */
export async function listInstances(): Promise<Instances> {
  const directory = controlDirectory();
  const found: Instances = { running: [], silent: [] };
  if (!checkDirectory(directory, false)) return found;
  let stale = false;
  await Promise.all(socketNames(directory).map(async (name) => {
    try {
      found.running.push(await statusOf(socketPath(directory, name)));
    } catch (error) {
      if (error instanceof ControlError && goneCodes.has(error.code)) stale = true;
      else found.silent.push(name);
    }
  }));
  if (stale) await cleanSockets(directory);
  found.running.sort((a, b) => (a.name < b.name ? -1 : 1));
  found.silent.sort();
  return found;
}

/**
 * Connect to instance `name`, or to the only one.
 * @throws ControlError that says which there are, if there is no such one or no only one
 */
export async function openInstance(name?: string): Promise<{ name: string; client: ControlClient }> {
  const directory = controlDirectory();
  if (name !== undefined) {
    const path = socketPath(directory, name);
    if (checkDirectory(directory, false)) {
      const client = await ControlClient.open(path).catch((error: ControlError) => {
        if (!goneCodes.has(error.code)) throw error;
        return null;
      });
      if (client !== null) return { name, client };
    }
  }
  const { running, silent } = await listInstances();
  const names = [...running.map((each) => each.name), ...silent].sort();
  if (name !== undefined) throw new ControlError('ENOENT', `there is no instance ${name}; ${names.length === 0 ? 'none is running' : `running: ${names.join(', ')}`}`);
  if (names.length === 0) throw new ControlError('ENOENT', 'no instance is running; start one with: rumpwasm run');
  if (names.length > 1) throw new ControlError('EINVAL', `several instances are running: ${names.join(', ')}; choose one with --instance NAME`);
  return { name: names[0]!, client: await ControlClient.open(socketPath(directory, names[0]!)) };
}

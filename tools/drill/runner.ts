/**
 * Many scripts, one after the other: finding them, parsing them, a machine for each kind of settings.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { findFiles } from '../test/nodeTest';
import { Engine, type Failure } from './engine';
import { Machine, type MachineSettings } from './machine';
import { parseScript } from './parse';
import { type Script, ScriptError } from './script';

/** @returns paths of scripts below `dir` whose path relative to `root` contains one of the filters (all without) */
export function findScripts(root: string, dir: string, filters: readonly string[] = []): string[] {
  return findFiles(dir, '.pkt').filter((path) => filters.length === 0 || filters.some((filter) => relative(root, path).includes(filter)));
}

export class Runner {
  private readonly machines = new Map<string, Machine>();

  constructor(private readonly root: string) {}

  /** Run the script in file `path`. @returns null if all is as it says */
  async run(path: string): Promise<Failure | null> {
    return this.runText(relative(this.root, path), readFileSync(path, 'utf8'));
  }

  /** Run a script from its text. @param name for messages */
  async runText(name: string, text: string): Promise<Failure | null> {
    let script;
    try {
      script = parseScript(name, text);
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      return { path: error.path, line: error.line, message: error.message, expected: null, trace: [] };
    }
    const machine = await this.machine(script.settings);
    machine.restore(script.settings.localIsn === null ? 0 : delayFor(machine, script, script.settings.localIsn));
    const failure = new Engine(machine, script).run();
    // A kernel that has stopped is of no further use.
    if (!machine.kernel.isAlive) this.machines.delete(keyOf(script.settings));
    return failure;
  }

  async close(): Promise<void> {
    await Promise.all([...this.machines.values()].map(async (machine) => machine.close()));
    this.machines.clear();
  }

  private async machine(settings: MachineSettings): Promise<Machine> {
    const key = keyOf(settings);
    const known = this.machines.get(key);
    if (known !== undefined) return known;
    const made = await Machine.create(settings);
    this.machines.set(key, made);
    return made;
  }
}

/**
 * How much later the script must begin for the image's first SYN to have sequence number `wanted`: RFC
 * 6528's clock goes on by one every 4 µs, so one run tells.
 */
function delayFor(machine: Machine, script: Script, wanted: number): number {
  machine.restore();
  const probe = new Engine(machine, script);
  probe.run();
  return probe.localIss === null ? 0 : ((wanted - probe.localIss) >>> 0) * 4;
}

function keyOf({ mtu, localIp, prefix }: MachineSettings): string {
  return `${mtu} ${localIp}/${prefix}`;
}

/** A failure as it is shown. */
export function failureText({ path, line, message, expected, trace }: Failure): string {
  const lines = [`${path}:${line}: ${message}`];
  if (expected !== null) lines.push(`  expected  ${expected}`);
  if (trace.length > 0) lines.push('  seen', ...trace.map((one) => `    ${one}`));
  return lines.join('\n');
}
